"""CT in Hounsfield units (HU): which volumes are, and a window of them to [0, 1] and back.

Water is 0 HU and air -1000. Scanners store no less than -1024, and what lies below marks voxels that were not measured.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from medmae.data.volumes.intensity import Normalisation, Rule, border_value
from medmae.data.volumes.nifti import Volume
from medmae.errors import DataError

AIR = -1024.0  # HU: nothing that was measured is less
CT, UNIT = "CT", "HU"
_NO_SOFT_TISSUE = -200.0  # HU: fat, the least dense but for lung and air, has more
_HIGHEST = 32767.0  # of 16 bits, which extended scales reach in metal
_LEAST_SPAN = 50.0  # HU of a head whose surroundings were set to 0; a z-scored one spans less
_CONVERT = (
    "convert it from DICOM with its rescale slope and intercept (stored values that begin at 0 are often HU + 1024), "
    "or leave it out"
)
NOT_HU = "not_in_hu"  # the flag of a CT in other units
_NAMES = {"CT", "NCCT", "CECT", "LDCT"}


@dataclass(frozen=True, kw_only=True)
class CTWindow:
    """A range of Hounsfield units that is mapped to [0, 1].

    Args:
        centre: In HU.
        width: In HU, above 0.
    """

    centre: float
    width: float

    def __post_init__(self) -> None:
        if not (np.isfinite(self.centre) and np.isfinite(self.width) and self.width > 0):
            raise ValueError(
                f"a CT window has a finite centre and a width above 0, in HU, got {self.centre},{self.width}"
            )

    @classmethod
    def parse(cls, text: str) -> CTWindow:
        """A preset by its name, or ``CENTRE,WIDTH`` in HU.

        Raises:
            ValueError: If it is neither.
        """
        if text.strip().lower() in PRESETS:
            return PRESETS[text.strip().lower()]
        try:
            centre, width = (float(part) for part in text.split(","))
        except ValueError:
            names = ", ".join(PRESETS)
            raise ValueError(f"a CT window is one of {names}, or CENTRE,WIDTH in HU, got {text!r}") from None
        return cls(centre=centre, width=width)

    @classmethod
    def between(cls, lower: float, upper: float) -> CTWindow:
        """The window from ``lower`` to ``upper`` HU."""
        return cls(centre=(lower + upper) / 2, width=upper - lower)

    @property
    def lower(self) -> float:
        """What becomes 0, with all below it, in HU."""
        return self.centre - self.width / 2

    @property
    def upper(self) -> float:
        """What becomes 1, with all above it, in HU."""
        return self.centre + self.width / 2

    def fit(self, volume: np.ndarray, *, rule: Rule = "auto") -> Normalisation:
        """The window as the normalisation of one volume, whose background is measured as that of any volume.

        Args:
            volume: In HU, none below :data:`AIR`; see :func:`in_hounsfield`.
            rule: See :meth:`medmae.data.volumes.intensity.Normalisation.fit`.
        """
        found = Normalisation.fit(volume, rule=rule)
        if found.constant:
            return found
        return replace(found, lower=self.lower, upper=self.upper, maximum=self.width, darkest=self.lower, unit=UNIT)


PRESETS = {
    "wide": CTWindow(centre=476.0, width=3000.0),
    "brain": CTWindow(centre=40.0, width=80.0),
    "soft": CTWindow(centre=40.0, width=400.0),
    "lung": CTWindow(centre=-600.0, width=1500.0),
    "bone": CTWindow(centre=400.0, width=1800.0),
}
"""Windows by name."""
DEFAULT = "wide"  # -1024 to 1976 HU, from air to all but the densest bone and metal: no tissue is lost unasked


def is_ct(contrast: str) -> bool:
    """Whether the name of a contrast means CT: ``CT``, or ``NCCT``, ``CECT``, ``LDCT`` of a table."""
    return bool(_NAMES & set(re.split(r"[^A-Z0-9]+", contrast.upper())))


def why_not_hounsfield(volume: np.ndarray) -> str | None:
    """Why the values of a CT cannot be Hounsfield units; None if they can.

    A scan holds air, which is far below 0. Where the surroundings of an organ were set to 0, values below 0 and a range
    that no scaled image has must do.

    Args:
        volume: Finite values, any shape.
    """
    low, high = float(volume.min()), float(volume.max())
    if high > _HIGHEST:
        return f"values up to {high:g}, where no scanner stores more than {_HIGHEST:g} HU"
    if high < _NO_SOFT_TISSUE:
        return f"no value above {high:g}, where water is 0 HU"
    masked = low < 0 and border_value(volume) == 0 and high - low >= _LEAST_SPAN
    if low <= _NO_SOFT_TISSUE or masked:
        return None
    return f"no value below {low:g}, where air is -1000 HU"


def in_hounsfield(volume: Volume, *, path: Path, required: bool) -> Volume:
    """A CT with air where nothing was measured: fill values such as -2000 or -3024 lie below all tissue.

    Args:
        volume: As it was read.
        path: Of its file or series.
        required: Refuses a CT that is not in HU; else it is flagged :data:`NOT_HU`, and stays as it is.

    Raises:
        DataError: With why the values cannot be HU.
    """
    if why := why_not_hounsfield(volume.array):
        if required:
            raise DataError(f"this CT is not in Hounsfield units: {why}", path=path, field="voxels", remedy=_CONVERT)
        return replace(volume, flags=(*volume.flags, NOT_HU))
    if volume.array.min() >= AIR:
        return volume
    return replace(volume, array=np.maximum(volume.array, np.asarray(AIR, dtype=volume.array.dtype)))


def fitted(volume: Volume, *, contrast: str, window: CTWindow | None, rule: Rule) -> Normalisation:
    """A window of a CT in HU, percentiles of anything else.

    Args:
        volume: Of CT, what :func:`in_hounsfield` gives.
        contrast: Its name.
        window: Of CT; None scales CT by percentiles, too.
        rule: How background is found; see :meth:`medmae.data.volumes.intensity.Normalisation.fit`.
    """
    if window is None or not is_ct(contrast) or NOT_HU in volume.flags:
        return Normalisation.fit(volume.array, rule=rule)
    return window.fit(volume.array, rule=rule)


def outside(fit: Normalisation, volume: np.ndarray) -> dict[str, float]:
    """Which shares of the foreground a window cuts off: ``below`` and ``above`` it."""
    inside = volume[fit.foreground(volume)]
    shares = {"below": inside < fit.lower, "above": inside > fit.upper}
    return {name: round(float(cut.mean()), 5) if cut.size else 0.0 for name, cut in shares.items()}


def window_of(rows: Iterable[Mapping[str, Any]]) -> CTWindow | None:
    """The window by which the CT of a data set was prepared; None if it has no CT in HU.

    Args:
        rows: Of a manifest.

    Raises:
        ValueError: If it has several.
    """
    fits = [one.get("normalisation", {}) for row in rows for one in row.get("contrasts", ())]
    windows = {(fit["lower"], fit["upper"]) for fit in fits if fit.get("unit") == UNIT}
    if len(windows) > 1:
        raise ValueError(
            f"the CT of a data set has one window, and this one has {sorted(windows)}: prepare all of it anew"
        )
    return CTWindow.between(*windows.pop()) if windows else None
