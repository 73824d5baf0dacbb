"""CT by a window of Hounsfield units."""

from __future__ import annotations

import numpy as np
import pytest

from medmae.data.volumes.grid import Grid
from medmae.data.volumes.hounsfield import (
    AIR,
    NOT_HU,
    PRESETS,
    CTWindow,
    fitted,
    in_hounsfield,
    is_ct,
    outside,
    why_not_hounsfield,
    window_of,
)
from medmae.data.volumes.intensity import Normalisation
from medmae.data.volumes.nifti import Volume
from medmae.errors import DataError


def body(*, air=AIR, noise=0.0, padding=None):
    """A body of -100 to 900 HU in air, int16, ``(14, 16, 10)``."""
    rng = np.random.default_rng(0)
    hu = np.rint(air + noise * rng.standard_normal((14, 16, 10))).clip(AIR).astype(np.int16)
    hu[3:-3, 3:-3, 2:-2] = rng.integers(-100, 901, (8, 10, 6))
    if padding is not None:
        hu[:1] = padding
    return hu


def volume(array):
    return Volume(array=array, grid=Grid.from_affine(array.shape, np.eye(4)), sha256="0")


@pytest.mark.parametrize(
    ("text", "lower", "upper"),
    [
        ("brain", 0, 80),
        ("soft", -160, 240),
        ("LUNG", -1350, 150),
        ("bone", -500, 1300),
        ("wide", -1024, 1976),
        ("35, 90", -10, 80),
        ("-600,1500", -1350, 150),
    ],
)
def test_a_window_is_a_preset_or_centre_and_width(text, lower, upper):
    window = CTWindow.parse(text)
    assert (window.lower, window.upper) == (lower, upper)
    assert CTWindow.between(lower, upper) == window


@pytest.mark.parametrize("text", ["brian", "40", "40,0", "40,-80", "nan,80", "40,inf", "40,80,1", ""])
def test_anything_else_is_refused(text):
    with pytest.raises(ValueError, match="CT window"):
        CTWindow.parse(text)


@pytest.mark.parametrize("dtype", [np.int16, np.float32, np.float64])
def test_hounsfield_units_are_mapped_linearly_and_come_back(dtype):
    hu = body().astype(dtype)
    fit = PRESETS["wide"].fit(hu)
    stored = fit.apply(hu)
    np.testing.assert_allclose(stored, (hu + 1024.0) / 3000, atol=1e-6)
    assert (stored[hu == AIR] == 0).all()
    np.testing.assert_allclose(fit.invert(stored), hu, atol=1e-3)
    assert Normalisation.from_dict(fit.to_dict()) == fit


def test_equal_tissue_is_equal_in_every_scan():
    scans = [body(), body(noise=20)]
    scans[1][5, 5, 5] = 3000  # metal moves a percentile, and no window
    stored = [PRESETS["soft"].fit(hu).apply(hu) for hu in scans]
    for hu, values in zip(scans, stored, strict=True):
        np.testing.assert_allclose(values[hu == 40], 0.5, atol=1e-6)


def test_what_a_window_cuts_off_is_counted_and_no_fault():
    hu = body()
    fit = PRESETS["brain"].fit(hu)
    inside = hu[hu != AIR]
    assert fit.flags(hu) == []
    assert outside(fit, hu) == {
        "below": round(float((inside < 0).mean()), 5),
        "above": round(float((inside > 80).mean()), 5),
    }
    back = fit.invert(fit.apply(hu))
    np.testing.assert_allclose(back[hu > 80], 80)
    np.testing.assert_allclose(back[(hu > 0) & (hu <= 80)], hu[(hu > 0) & (hu <= 80)], atol=1e-4)
    assert (back[hu <= 0] == AIR).all()


def test_a_volume_on_one_side_of_its_window_is_constant():
    hu = body()
    fit = CTWindow(centre=2500, width=100).fit(hu)
    assert fit.flags(hu) == ["constant"]
    flat = np.full((4, 4, 4), -1024, np.int16)
    assert PRESETS["brain"].fit(flat).constant


@pytest.mark.parametrize("padding", [-2000, -3024, -32768])
def test_padding_below_air_is_air(padding):
    given = in_hounsfield(volume(body(padding=padding)), path="x.nii", required=True)
    assert given.array.min() == AIR
    assert given.array.dtype == np.int16
    fit = PRESETS["lung"].fit(given.array)
    assert fit.background == AIR
    assert not fit.apply(given.array)[:1].any()
    np.testing.assert_array_equal(fit.foreground(given.array), fit.foreground(body()))


def test_noisy_air_is_not_foreground():
    hu = body(air=-1000, noise=15)
    foreground = PRESETS["lung"].fit(hu).foreground(hu)
    assert np.mean(foreground != (hu > -500)) < 0.001


@pytest.mark.parametrize(
    ("array", "why"),
    [
        (np.interp(body(), (-1024, 900), (0, 255)).astype(np.uint8), "no value below 0"),
        ((body() + 1024).astype(np.uint16), "no value below 0"),
        (body() / 1000.0, "no value below -1.024"),
        ((body() - body().mean()) / body().std(), "no value below"),
        (np.interp(body(), (-1024, 900), (-128, 127)).astype(np.int8), "no value below -128"),
        (body().astype(np.int32) * 100, "where no scanner stores more"),
        (np.full((4, 4, 4), -2000), "no value above -2000"),
        (np.where(body() == AIR, 0, (body() - 400) / 300.0), "no value below"),
    ],
    ids=["8 bits", "shifted", "divided", "z-scored", "8 bits signed", "multiplied", "padding", "z-scored in a mask"],
)
def test_other_units_are_known_by_their_values(array, why):
    assert why in why_not_hounsfield(array)
    with pytest.raises(DataError, match=r"x\.nii.*not in Hounsfield units.*rescale slope"):
        in_hounsfield(volume(array), path="x.nii", required=True)
    given = in_hounsfield(volume(array), path="x.nii", required=False)
    assert given.flags == (NOT_HU,)
    fit = fitted(given, contrast="CT", window=PRESETS["brain"], rule="auto")
    assert fit == Normalisation.fit(array)


def test_a_brain_whose_surroundings_were_set_to_0_is_in_hu():
    hu = body()
    hu = np.where(hu == AIR, 0, hu.clip(-30, 100))
    assert why_not_hounsfield(hu) is None
    fit = PRESETS["brain"].fit(hu)
    assert fit.background == 0
    assert fit.apply(hu)[hu == 40] == pytest.approx(0.5)


def test_other_contrasts_keep_their_percentiles():
    hu = body()
    for contrast, window in (("T1", PRESETS["brain"]), ("CT", None)):
        assert fitted(volume(hu), contrast=contrast, window=window, rule="auto") == Normalisation.fit(hu)
    assert [name for name in ("CT", "NCCT", "CT_POST", "T1", "OCT", "T1CE") if is_ct(name)] == ["CT", "NCCT", "CT_POST"]


def test_a_data_set_has_one_window():
    def rows(*windows):
        return [{"contrasts": [{"normalisation": PRESETS[name].fit(body()).to_dict()}]} for name in windows]

    assert window_of(rows("brain", "brain")) == PRESETS["brain"]
    assert window_of([{"contrasts": [{"normalisation": Normalisation.fit(body()).to_dict()}]}, {}]) is None
    with pytest.raises(ValueError, match="one window"):
        window_of(rows("brain", "soft"))
