from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from medmae.data.volumes.intensity import Normalisation
from medmae.data.volumes.nifti import settle_nan


def head(background=0.0, size=24):
    """A volume with a constant background and a head of random tissue in the middle."""
    volume = np.full((size, size, size), background, dtype=np.float32)
    volume[6:-6, 6:-6, 6:-6] = np.random.default_rng(0).gamma(4.0, 50.0, (size - 12,) * 3) + 1 + background
    return volume


def test_background_is_exactly_zero_and_the_largest_is_one():
    volume = head()
    stored = Normalisation.fit(volume).apply(volume)
    assert stored.dtype == np.float32
    assert (stored[volume == 0] == 0).all()
    assert stored.max() == 1.0
    assert stored.min() == 0.0
    assert (stored[volume != 0] > 0).all()


def test_percentiles_are_taken_over_the_foreground_only():
    volume = head()
    fit = Normalisation.fit(volume)
    assert (fit.lower, fit.upper) == tuple(np.percentile(volume[volume != 0], (0.2, 99.8)))
    assert fit.upper != pytest.approx(np.percentile(volume, 99.8))


def test_it_is_inverted_up_to_the_clip():
    volume = head()
    fit = Normalisation.from_dict(json.loads(json.dumps(Normalisation.fit(volume).to_dict())))
    back = fit.invert(fit.apply(volume))
    np.testing.assert_allclose(back[volume != 0], np.clip(volume[volume != 0], fit.lower, fit.upper), rtol=1e-5)
    assert (back[volume == 0] == 0).all()


def test_a_background_other_than_zero_is_subtracted():
    volume = head(background=-1000.0)
    fit = Normalisation.fit(volume)
    stored = fit.apply(volume)
    assert fit.background == -1000.0
    assert (stored[volume == -1000] == 0).all()
    assert stored.max() == 1.0


def test_interpolation_undershoot_does_not_leave_the_range():
    volume = head()
    volume[6, 6:12, 6:12] = -30.0  # more than 0.2 % of the head, so the percentile itself is negative
    fit = Normalisation.fit(volume)
    assert fit.lower == 0.0
    assert fit.apply(volume).min() == 0.0


def test_float16_keeps_zero_and_one():
    volume = head()
    stored = Normalisation.fit(volume).apply(volume).astype(np.float16)
    assert stored.max() == 1.0
    assert (stored[volume == 0] == 0).all()


def test_a_head_in_noisy_air_is_measured_above_otsus_threshold():
    rng = np.random.default_rng(1)
    volume = rng.rayleigh(5.0, (24, 24, 24)).astype(np.float32)
    volume[6:-6, 6:-6, 6:-6] += 200 + 40 * rng.random((12, 12, 12)).astype(np.float32)
    fit = Normalisation.fit(volume)
    assert fit.rule == "otsu"
    found = fit.foreground(volume)
    assert found[6:-6, 6:-6, 6:-6].all()
    assert found.sum() == 12**3
    stored = fit.apply(volume)
    assert stored.min() == 0.0
    assert stored.max() == 1.0


@pytest.mark.parametrize("value", [0.0, 7.0, -4.0])
def test_a_constant_volume_does_not_divide_by_zero(value):
    volume = np.full((4, 4, 4), value, dtype=np.float32)
    fit = Normalisation.fit(volume)
    assert fit.constant
    assert (fit.apply(volume) == 0).all()


def test_tissue_darker_than_the_background_does_not_divide_by_zero():
    volume = -head()  # by the corner's rule everything is clipped to the background; auto finds another way
    fit = Normalisation.fit(volume, rule="corner")
    assert fit.constant
    assert (fit.apply(volume) == 0).all()
    assert Normalisation.fit(volume).rule == "otsu"
    assert Normalisation.fit(volume).apply(volume).max() == 1.0


def test_an_unknown_rule_is_refused():
    with pytest.raises(ValueError, match="auto, corner or otsu, got 'magic'"):
        Normalisation.fit(np.zeros((2, 2, 2)), rule="magic")


def z_scored(volume):
    inside = volume != 0
    return np.where(inside, (volume - volume[inside].mean()) / volume[inside].std(), 0).astype(np.float32), inside


def test_a_background_among_the_values_of_the_tissue_hides_no_tissue():
    volume, inside = z_scored(head())
    fit = Normalisation.fit(volume)
    stored = fit.apply(volume)
    assert np.mean(stored[inside] == 0) < 0.01
    assert not stored[~inside].any()
    kept = inside & (volume > fit.lower) & (volume < fit.upper)
    np.testing.assert_allclose(fit.invert(stored)[kept], volume[kept], atol=1e-5)
    np.testing.assert_array_equal(fit.invert(stored)[~inside], 0)
    assert fit.flags(volume) == []
    assert Normalisation.from_dict(fit.to_dict()) == fit


@pytest.mark.parametrize("nan", ["zero", "median"])
@pytest.mark.parametrize("radius", [0.8, 1.05, 1.3])  # down to a background of 13 %
def test_a_nan_background_that_was_set_hides_no_tissue_and_is_0(nan, radius):
    place = np.stack(np.meshgrid(*[np.linspace(-1, 1, 40)] * 3, indexing="ij"))
    inside = (place**2).sum(axis=0) < radius**2
    volume = np.where(inside, np.random.default_rng(0).normal(0, 1, inside.shape), np.nan).astype(np.float32)
    volume, _ = settle_nan(volume, nan=nan, path=Path("volume"))
    fit = Normalisation.fit(volume)
    stored = fit.apply(volume)
    assert np.mean(stored[inside] == 0) < 0.01
    assert not stored[~inside].any()
    assert fit.flags(volume) == []


def test_noise_among_which_the_corner_lies_is_no_background():
    volume = head().astype(np.int16) + np.random.default_rng(0).integers(0, 40, head().shape).astype(np.int16)
    volume[0, 0, 0] = 20
    fit = Normalisation.fit(volume)
    assert fit.rule == "otsu"
    assert np.mean(fit.apply(volume) == 0) < 0.05


def test_tissue_of_the_background_s_value_is_no_background():
    volume, inside = z_scored(head())
    centre = tuple(n // 2 for n in volume.shape)
    volume[centre] = 0
    fit = Normalisation.fit(volume)
    assert fit.apply(volume)[centre] > 0.2
    assert fit.foreground(volume).sum() == inside.sum()


@pytest.mark.parametrize("fill", [-1024.0, -32768.0, -1e6, float(np.finfo(np.float32).min)])
def test_a_fill_value_uses_up_no_grey_levels(fill):
    volume = head()
    inside = volume != 0
    volume = np.where(inside, volume, fill).astype(np.float32)
    fit = Normalisation.fit(volume)
    stored = fit.apply(volume)[inside].astype(np.float16)
    assert stored.min() == 0
    assert len(np.unique(stored)) > 500
    assert fit.flags(volume, dtype="float16") == []


def test_an_ordinary_volume_is_stored_as_ever_and_its_record_has_no_new_key():
    fit = Normalisation.fit(head())
    assert fit.darkest is None
    assert set(fit.to_dict()) == {"lower", "upper", "maximum", "background", "rule", "threshold"}


def test_what_is_lost_is_flagged():
    volume = head()
    fit = Normalisation.fit(volume)
    assert Normalisation.fit(np.zeros((4, 4, 4))).flags(np.zeros((4, 4, 4))) == ["constant"]
    narrow = Normalisation(lower=0.0, upper=float(np.median(volume[volume != 0])), maximum=fit.maximum, background=0.0)
    assert narrow.flags(volume)[0].startswith("clipped:0.5")
    far = Normalisation(lower=-1e6, upper=fit.upper, maximum=fit.upper + 1e6, background=-1e6)
    assert far.flags(volume, dtype="float16")[-1].startswith("few_levels:")
