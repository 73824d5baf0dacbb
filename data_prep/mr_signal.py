"""The MR signal equations, tissue parameters at 3 T, and the four sequences of the embedded cohort.

Relaxation times: white and grey matter after Wansapura et al., JMRI 9:531, 1999 (832/79 and 1331/110 ms); cerebrospinal
fluid near 4 s (Lu et al., JMRI 22:13, 2005, who hold 4.3 s for likelier than their 3.8 s) and 2 s. Water content:
white 0.70, grey 0.82 of that of free water (Abbas et al., 2015). The lesion lies between white matter and fluid in all
three, as demyelination and oedema do; its values are ours, chosen by eye.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

CSF, GREY, WHITE, LESION = range(4)
CONTRASTS = ("T1", "T2", "FLAIR", "PD")


@dataclass(frozen=True, kw_only=True)
class Tissue:
    """What makes a tissue's signal.

    Args:
        t1: Longitudinal relaxation time, ms.
        t2: Transverse relaxation time, ms.
        pd: Proton density; free water is 1.
        spread: Relative standard deviation of ``t1`` between subjects; a third of it holds for ``pd``.
        t2_spread: The same of ``t2``, drawn on its own: iron and oedema change T2 where T1 stays.
    """

    t1: float
    t2: float
    pd: float
    spread: float
    t2_spread: float


TISSUES = {
    CSF: Tissue(t1=4000, t2=2000, pd=1.0, spread=0.02, t2_spread=0.02),
    GREY: Tissue(t1=1331, t2=110, pd=0.82, spread=0.03, t2_spread=0.06),
    WHITE: Tissue(t1=832, t2=79, pd=0.70, spread=0.03, t2_spread=0.06),
    LESION: Tissue(t1=1550, t2=165, pd=0.88, spread=0.06, t2_spread=0.10),
}


@dataclass(frozen=True, kw_only=True)
class Sequence:
    """One spin echo or inversion recovery; times in ms.

    Args:
        suffix: BIDS suffix of its files.
        tr: Repetition time.
        te: Echo time.
        ti: Inversion time; None for a spin echo without inversion.
    """

    suffix: str
    tr: float
    te: float
    ti: float | None = None


# FLAIR's inversion time is where fluid of T1 = 4 s passes zero: T1 ln(2 / (1 + exp(-TR / T1))).
SEQUENCES = {
    "T1": Sequence(suffix="T1w", tr=2300, te=3, ti=1100),  # as an MPRAGE: short echo after an inversion
    "T2": Sequence(suffix="T2w", tr=5000, te=100),
    "FLAIR": Sequence(suffix="FLAIR", tr=9000, te=120, ti=2373),
    "PD": Sequence(suffix="PDw", tr=4500, te=20),
}


def spin_echo(
    *, t1: np.ndarray, t2: np.ndarray, pd: np.ndarray, tr: float, te: float, flip: np.ndarray | float = 1.0
) -> np.ndarray:
    """Signal ``pd (1 - exp(-tr / t1)) exp(-te / t2) sin(flip pi / 2)^3``, in [0, pd]; all times in one unit.

    ``flip`` is the transmit field, 1 where pulses turn by 90 and 180 degrees as they should.
    """
    return pd * (1 - np.exp(-tr / t1)) * np.exp(-te / t2) * np.sin(flip * np.pi / 2) ** 3


def inversion_recovery(
    *, t1: np.ndarray, t2: np.ndarray, pd: np.ndarray, tr: float, te: float, ti: float, flip: np.ndarray | float = 1.0
) -> np.ndarray:
    """Signed signal, ``pd (1 - (1 - cos(flip pi)) exp(-ti / t1) + exp(-tr / t1)) exp(-te / t2)``.

    It is negative before the null point, and the sign is kept because tissues that share a voxel add up before the
    scanner takes the magnitude. A wrong ``flip`` inverts in part, which changes the contrast between tissues.
    """
    inverted = (1 - np.cos(flip * np.pi)) * np.exp(-ti / t1)
    return pd * (1 - inverted + np.exp(-tr / t1)) * np.exp(-te / t2)


def signal(
    sequence: Sequence, *, t1: np.ndarray, t2: np.ndarray, pd: np.ndarray, flip: np.ndarray | float = 1.0
) -> np.ndarray:
    """The signed signal of a sequence for tissue parameters, and a transmit field, of any one shape."""
    if sequence.ti is None:
        return spin_echo(t1=t1, t2=t2, pd=pd, tr=sequence.tr, te=sequence.te, flip=flip)
    return inversion_recovery(t1=t1, t2=t2, pd=pd, tr=sequence.tr, te=sequence.te, ti=sequence.ti, flip=flip)


def vary_tissue(tissue: Tissue, rng: np.random.Generator) -> Tissue:
    """A subject's own values: normal around the mean, cut at two standard deviations."""
    spreads = np.array([tissue.spread, tissue.t2_spread, tissue.spread / 3])
    a, b, c = 1 + spreads * np.clip(rng.standard_normal(3), -2, 2)
    return replace(tissue, t1=tissue.t1 * a, t2=tissue.t2 * b, pd=tissue.pd * c)


def vary_sequence(sequence: Sequence, rng: np.random.Generator) -> Sequence:
    """A site's own timing: TR and TE within 6 %, TI within 2 % so that FLAIR still suppresses fluid."""
    a, b, c = 1 + rng.uniform(-1, 1, 3) * (0.06, 0.06, 0.02)
    ti = None if sequence.ti is None else round(sequence.ti * c, 1)
    return replace(sequence, tr=round(sequence.tr * a, 1), te=round(sequence.te * b, 1), ti=ti)
