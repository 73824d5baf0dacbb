"""All modalities of a tile move together, unless they are misaligned on purpose; values are scaled once."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from medmae.data.augment.resized_crops import crop_and_resize
from medmae.data.augment.stain import StainAugment, standardised, unit
from medmae.tokens.stain_matrices import RUIFROK
from medmae.tokens.stains import StainSeparator


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def batch():
    """A ramp in every modality: what a pixel shows tells where it is from."""
    ramp = torch.arange(48.0).view(1, 1, 1, 48) / 48 + torch.arange(48.0).view(1, 1, 48, 1)
    ramp = ramp.expand(8, 1, 48, 48)
    return {"rgb": ramp.repeat(1, 3, 1, 1), "h": ramp.clone(), "e": ramp.clone(), "label": torch.arange(8)}


def test_all_modalities_show_the_same_place(batch):
    out = StainAugment(size=32)(batch, generator=seeded())
    for channel in range(3):
        torch.testing.assert_close(out["rgb"][:, channel], out["h"][:, 0])
    assert torch.equal(out["h"], out["e"])
    assert not torch.equal(out["h"][0], out["h"][1])  # each sample its own draw
    assert torch.equal(out["label"], batch["label"])


def test_the_reference_s_misalignment_parts_rgb_from_the_stains_which_stay_together(batch):
    out = StainAugment(size=32, geometry="reference_misaligned")(batch, generator=seeded())
    assert torch.equal(out["h"], out["e"])
    apart = (out["rgb"][:, 0] - out["h"][:, 0]).abs().amax(dim=(1, 2))
    assert (apart > 0.5).all()


def test_the_first_draw_is_the_same_whether_aligned_or_not(batch):
    shared, parted = (StainAugment(size=32, geometry=g) for g in ("shared", "reference_misaligned"))
    assert torch.equal(shared(batch, generator=seeded())["rgb"], parted(batch, generator=seeded())["rgb"])


def test_drawing_and_applying_apart_are_the_whole_and_the_batch_is_left_alone(batch):
    augment, before = StainAugment(size=32), {name: value.clone() for name, value in batch.items()}
    params = augment.draw(batch["rgb"].shape, generator=seeded())
    whole, apart = augment(batch, generator=seeded()), augment.apply(batch, params)
    assert all(torch.equal(whole[name], apart[name]) for name in whole)
    assert torch.equal(apart["h"], crop_and_resize(batch["h"], params.others, size=32))
    assert all(torch.equal(batch[name], before[name]) for name in batch)
    assert augment.draw(batch["rgb"].shape, generator=seeded()).first.boxes.equal(params.first.boxes)


def test_a_modality_that_the_batch_lacks_is_passed_over_and_the_draw_stays(batch):
    whole = StainAugment(size=32)(batch, generator=seeded())
    some = StainAugment(size=32)({"rgb": batch["rgb"]}, generator=seeded())
    assert set(some) == {"rgb"}
    assert torch.equal(some["rgb"], whole["rgb"])


def test_figures_reach_the_draw(batch):
    still = StainAugment(size=48, scale=(1.0, 1.0), ratio=(1.0, 1.0), flip=0.0)
    assert torch.equal(still(batch, generator=seeded())["rgb"], batch["rgb"])
    flipped = StainAugment(size=48, scale=(1.0, 1.0), ratio=(1.0, 1.0), flip=1.0)
    assert torch.equal(flipped(batch, generator=seeded())["e"], batch["e"].flip(-1))


def test_stains_of_a_crop_are_the_crop_of_the_stains(tiles):
    separate, pictures = StainSeparator(matrix=RUIFROK, brighten=False), []
    for tile in tiles:
        stains = separate(tile)
        shown = [torch.from_numpy(stains.hematoxylin)[None], torch.from_numpy(stains.eosin)[None]]
        pictures.append((torch.from_numpy(tile).permute(2, 0, 1), *shown))
    rgb, h, e = (unit(torch.stack(part)) for part in zip(*pictures, strict=True))
    out = StainAugment(size=96)({"rgb": rgb, "h": h, "e": e}, generator=seeded(3))
    for index in range(len(tiles)):
        crop = (out["rgb"][index] * 255).round().byte().permute(1, 2, 0).contiguous().numpy()
        again = separate(crop)
        for name, picture in (("h", again.hematoxylin), ("e", again.eosin)):
            difference = np.abs(picture / 255 - out[name][index, 0].numpy())
            assert difference.mean() < 0.02
            assert np.quantile(difference, 0.99) < 0.08


@pytest.mark.parametrize("brighten", [False, True])
def test_stains_of_a_flipped_tile_are_the_flipped_stains_to_the_last_bit(tiles, brighten):
    separate = StainSeparator(matrix=RUIFROK, brighten=brighten)
    flip = StainAugment(size=128, scale=(1.0, 1.0), ratio=(1.0, 1.0), flip=1.0)
    for tile in tiles:
        stains = separate(tile)
        shown = {"h": torch.from_numpy(stains.hematoxylin), "e": torch.from_numpy(stains.eosin)}
        batch = {"rgb": torch.from_numpy(tile).permute(2, 0, 1)} | {name: shown[name][None] for name in "he"}
        out = flip({name: unit(picture[None]) for name, picture in batch.items()}, generator=seeded())
        again = separate((out["rgb"][0] * 255).round().byte().permute(1, 2, 0).contiguous().numpy())
        for name, picture in (("h", again.hematoxylin), ("e", again.eosin)):
            assert torch.equal(torch.from_numpy(picture), (out[name][0, 0] * 255).round().byte())
            assert not torch.equal(torch.from_numpy(picture), shown[name])


@pytest.fixture
def tiles():
    """Smooth fields of two stains, 128 px."""
    rng = np.random.default_rng(0)
    coarse = torch.from_numpy(rng.gamma(1.5, 0.4, (4, 2, 12, 12)))
    fields = torch.nn.functional.interpolate(coarse, size=(128, 128), mode="bicubic").clamp(0).numpy()
    return (255 * np.exp(-np.einsum("cs,nshw->nhwc", RUIFROK, fields))).round().astype(np.uint8)


def test_bytes_become_values_in_0_to_1_and_floats_stay():
    levels = torch.randint(0, 256, (2, 1, 8, 8), dtype=torch.uint8, generator=seeded())
    assert torch.equal(unit(levels), levels.float() / 255)
    assert unit(unit(levels)) is not levels
    assert torch.equal(unit(unit(levels)), unit(levels))


def test_standardised_stains_have_a_middle_of_mean_0_and_deviation_1():
    images = torch.rand(3, 1, 40, 50, generator=seeded()) * torch.tensor([1.0, 0.2, 0.5]).view(3, 1, 1, 1) + 0.1
    images[:, :, 0] = 9.0  # outliers, 2.5 % of the pixels
    for image in standardised(images):
        middle = image.flatten().sort().values[200:1800]
        assert middle.mean().item() == pytest.approx(0, abs=1e-4)
        assert middle.std().item() == pytest.approx(1, abs=1e-3)


def test_a_blank_picture_standardised_is_finite():
    assert standardised(torch.ones(1, 1, 8, 8)).isfinite().all()
    assert standardised(torch.rand(1, 1, 1, 1)).isfinite().all()


def test_modalities_of_different_sizes_and_a_batch_without_any_are_refused(batch):
    with pytest.raises(ValueError, match=r"of one size, got .*\(48, 40\)"):
        StainAugment()({**batch, "e": torch.rand(8, 1, 48, 40)}, generator=seeded())
    with pytest.raises(ValueError, match="a batch needs rgb, h, e, or some of them"):
        StainAugment()({"image": torch.rand(1, 3, 8, 8)}, generator=seeded())


@pytest.mark.parametrize(
    ("bad", "match"),
    [
        ({"flip": 1.5}, r"flip must lie in \[0, 1\], got 1.5"),
        ({"scale": (0.5, 1.2)}, r"the largest scale must lie in \[0, 1\], got 1.2"),
        ({"scale": (0.9, 0.5)}, "positive and in order"),
        ({"ratio": (0.0, 1.0)}, "positive and in order"),
        ({"size": 0}, "positive and in order"),
        ({"geometry": "aligned"}, "geometry must be 'shared' or 'reference_misaligned', got 'aligned'"),
    ],
)
def test_figures_out_of_range_are_refused(bad, match):
    with pytest.raises(ValueError, match=match):
        StainAugment(**bad)
