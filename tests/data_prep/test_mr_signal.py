"""The signal equations, and what they say of tissues at 3 T."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from data_prep.mr_signal import (
    CSF,
    GREY,
    LESION,
    SEQUENCES,
    TISSUES,
    WHITE,
    inversion_recovery,
    signal,
    spin_echo,
    vary_sequence,
    vary_tissue,
)


def _signals(contrast):
    return {
        index: abs(float(signal(SEQUENCES[contrast], t1=tissue.t1, t2=tissue.t2, pd=tissue.pd)))
        for index, tissue in TISSUES.items()
    }


def test_a_spin_echo_has_the_signal_of_the_textbook():
    value = spin_echo(t1=np.array(1000.0), t2=np.array(100.0), pd=np.array(0.8), tr=1000, te=100)
    assert value == pytest.approx(0.8 * (1 - np.exp(-1)) * np.exp(-1))


def test_an_inverted_tissue_is_negative_before_its_null_point_and_positive_after():
    null = 1000 * np.log(2 / (1 + np.exp(-9)))
    early, at, late = (
        inversion_recovery(t1=np.array(1000.0), t2=np.array(100.0), pd=np.array(1.0), tr=9000, te=0, ti=null + shift)
        for shift in (-100, 0, 100)
    )
    assert early < 0 < late
    assert at == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize(
    ("contrast", "dark_to_bright"),
    [
        ("T1", (CSF, LESION, WHITE)),
        ("T1", (CSF, GREY, WHITE)),
        ("T2", (WHITE, GREY, LESION, CSF)),
        ("FLAIR", (CSF, WHITE, GREY, LESION)),
        ("PD", (WHITE, GREY, LESION)),
    ],
)
def test_tissues_are_as_bright_as_a_radiologist_expects(contrast, dark_to_bright):
    values = [_signals(contrast)[tissue] for tissue in dark_to_bright]
    assert values == sorted(values)
    assert min(np.diff(values)) > 0.05 * max(values)


def test_flair_suppresses_fluid_at_every_timing_and_in_every_subject():
    rng = np.random.default_rng(0)
    for _ in range(50):
        sequence, fluid = vary_sequence(SEQUENCES["FLAIR"], rng), vary_tissue(TISSUES[CSF], rng)
        dark = abs(float(signal(sequence, t1=fluid.t1, t2=fluid.t2, pd=fluid.pd)))
        assert dark < 0.4 * _signals("FLAIR")[WHITE]


def test_subjects_and_sites_differ_but_little():
    rng = np.random.default_rng(0)
    tissues = [vary_tissue(TISSUES[WHITE], rng) for _ in range(100)]
    assert 0.02 * 832 < np.std([tissue.t1 for tissue in tissues]) < 0.04 * 832
    assert all(abs(tissue.t1 / 832 - 1) <= 0.06 + 1e-9 for tissue in tissues)
    sequences = [vary_sequence(SEQUENCES["T2"], rng) for _ in range(100)]
    assert all(abs(sequence.tr / 5000 - 1) <= 0.06 and sequence.ti is None for sequence in sequences)
    assert len({replace(sequence) for sequence in sequences}) == 100
