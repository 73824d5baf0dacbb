"""Two views of an image that lie a few pixels apart."""

from __future__ import annotations

import pytest
import torch
from torch.testing import assert_close

from medmae.data.augment.colour_jitter import ColourJitter
from medmae.data.augment.pixel_shift import PixelShiftViews
from medmae.training.settings import describe

PLAIN = {"scale": None, "flip": 0.0, "target": None}  # a shift and nothing else


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def numbered(*size, count=2):
    """Images whose values tell where they are: in [0, 1], all different."""
    values = torch.arange(count * torch.Size(size).numel(), dtype=torch.float32)
    return (values / len(values)).reshape(count, 1, *size)


def test_the_published_offsets_are_0_to_31_on_each_axis_and_the_online_view_has_none():
    augment = PixelShiftViews()
    assert (augment.size, augment.master) == ([224, 224], [256, 256])
    shifts = augment.draw((4000, 3, 300, 300), generator=seeded()).shifts
    for axis in (0, 1):
        assert shifts[:, axis].unique().tolist() == list(range(32))
    assert not torch.equal(shifts[:, 0], shifts[:, 1])
    assert int(shifts.max()) + 224 <= 256


@pytest.mark.parametrize(("size", "images"), [((6, 4), (9, 8)), ((4, 6, 5), (7, 9, 8)), ((6,), (11,))])
def test_views_are_windows_at_the_corner_and_at_the_offset(size, images):
    data, augment = numbered(*images), PixelShiftViews(size=size, max_shift=3, **PLAIN)
    params = augment.draw(data.shape, generator=seeded())
    views = augment.apply({"image": data}, params)
    for i, shift in enumerate(params.shifts.tolist()):
        corner = tuple(slice(0, extent) for extent in size)
        window = tuple(slice(start, start + extent) for start, extent in zip(shift, size, strict=True))
        assert torch.equal(views["image"][i], data[i][(slice(None), *corner)])
        assert torch.equal(views["target_view"][i], data[i][(slice(None), *window)])
    assert params.shifts.any()


def test_both_views_come_from_one_crop_and_one_flip():
    augment = PixelShiftViews(size=(12, 16), max_shift=0, target=None)
    views = augment({"image": torch.rand(6, 3, 40, 30, generator=seeded())}, generator=seeded())
    assert views["image"].shape == (6, 3, 12, 16)
    assert torch.equal(views["image"], views["target_view"])


def test_independent_crops_show_other_places():
    options = {"size": 12, "max_shift": 0, "target": None, "independent": True}
    views = PixelShiftViews(**options)({"image": numbered(40, 30)}, generator=seeded())
    assert not torch.allclose(views["image"], views["target_view"], atol=1e-2)


def test_images_that_are_not_cropped_are_flipped_along_their_last_axis_both_views_alike():
    data = numbered(5, 4, 6, count=40)
    augment = PixelShiftViews(size=(5, 4, 6), max_shift=0, scale=None, target=None)
    params = augment.draw(data.shape, generator=seeded())
    views = augment.apply({"image": data}, params)
    assert 0 < params.flips.sum() < 40
    for i, flipped in enumerate(params.flips.tolist()):
        assert torch.equal(views["image"][i], data[i].flip(-1) if flipped else data[i])
    assert torch.equal(views["image"], views["target_view"])


def test_only_the_target_view_changes_its_colours():
    images = {"image": torch.rand(16, 3, 10, 10, generator=seeded())}
    plain = PixelShiftViews(size=8, max_shift=2, scale=None, flip=0.0, target=None)
    jittered = PixelShiftViews(size=8, max_shift=2, scale=None, flip=0.0)
    params = jittered.draw(images["image"].shape, generator=seeded())
    before, after = plain.apply(images, params), jittered.apply(images, params)
    assert torch.equal(after["image"], before["image"])
    assert_close(after["target_view"], ColourJitter().apply(before["target_view"], params.target))
    assert not torch.allclose(after["target_view"], before["target_view"], atol=1e-2)


def test_the_online_view_changes_its_colours_only_where_that_is_asked_for():
    images = {"image": torch.rand(16, 3, 10, 10, generator=seeded())}
    augment = PixelShiftViews(size=8, max_shift=2, scale=None, flip=0.0, target=None, online=ColourJitter())
    params = augment.draw(images["image"].shape, generator=seeded())
    views = augment.apply(images, params)
    assert_close(views["image"], ColourJitter().apply(images["image"][:, :, :8, :8], params.online))


def test_bytes_become_values_in_0_to_1_and_the_batch_is_left_as_it_was():
    images = 255 * torch.randint(2, (3, 3, 8, 8), generator=seeded(), dtype=torch.uint8)  # interpolation overshoots
    batch, before = {"image": images, "label": torch.arange(3)}, images.clone()
    views = PixelShiftViews(size=8, max_shift=2)(batch, generator=seeded())
    assert set(batch) == {"image", "label"}
    assert torch.equal(images, before)
    assert torch.equal(views["label"], batch["label"])
    for name in ("image", "target_view"):
        assert views[name].dtype == torch.float32
        assert views[name].min() >= 0
        assert views[name].max() <= 1


def test_the_generator_decides_everything():
    batch = {"image": torch.rand(4, 3, 20, 20, generator=seeded())}
    augment, state = PixelShiftViews(size=8, max_shift=3), torch.get_rng_state()
    first, again, other = (augment(batch, generator=seeded(seed)) for seed in (1, 1, 2))
    assert torch.equal(first["target_view"], again["target_view"])
    assert not torch.equal(first["image"], other["image"])
    assert torch.equal(torch.get_rng_state(), state)


def test_its_settings_can_be_written_down():
    settings = describe(PixelShiftViews(size=8, max_shift=3))
    assert settings["max_shift"] == 3
    assert settings["target"]["saturation"] == 0.4


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_shift": -1}, "max_shift not negative"),
        ({"master": 230}, r"no room for views of \[224, 224\] shifted by 31"),
        ({"size": (8, 8, 8)}, "None is for volumes"),
        ({"scale": None, "independent": True}, "crops nothing"),
        ({"ratio": (2, 1)}, "ratio must be in order"),
    ],
)
def test_settings_that_do_not_fit_together_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        PixelShiftViews(**options)


def test_samples_without_room_for_the_shift_with_padding_or_of_other_axes_are_refused():
    augment = PixelShiftViews(size=(8, 8), max_shift=3, **PLAIN)
    with pytest.raises(ValueError, match="read larger ones, or shift less"):
        augment({"image": torch.rand(1, 1, 11, 10)})
    with pytest.raises(ValueError, match="of images"):
        augment({"image": torch.rand(1, 1, 11, 11, 11)})
    with pytest.raises(ValueError, match="samples are padded"):
        augment({"image": torch.rand(1, 1, 11, 11), "real": torch.ones(1, 1, 11, 11, dtype=torch.bool)})
