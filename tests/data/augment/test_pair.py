"""The recipe of SLMT-Net's fine-tuning: pairs move together, only the source changes its grey values."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest
import torch
from PIL import Image, ImageEnhance

from medmae.data.augment.pair import PairAugment

PLAIN = {"brightness": (1.0,), "contrast": (1.0,), "sharpness": (1.0,)}


def _generator(seed=0):
    return torch.Generator().manual_seed(seed)


def _pair(*shape, seed=0):
    """Source and target that are the same image, in whole grey levels, so that one shows what happened to the other."""
    image = torch.randint(0, 256, shape, generator=_generator(seed)) / 255
    return {"image": image, "target": image.clone(), "index": torch.arange(shape[0])}


def test_the_drawn_shares_are_those_of_the_paper():
    n = 24_000
    params = PairAugment().draw((n, 1, 2, 2), generator=_generator())
    assert params.flips.float().mean(dim=0) == pytest.approx([1 / 3, 1 / 3], abs=0.01)
    assert not params.flips.all(dim=1).any()
    assert torch.bincount(params.turns) / n == pytest.approx([1 / 2, 1 / 6, 1 / 6, 1 / 6], abs=0.01)
    wanted = {"brightness": (0.7, 1.3), "contrast": (0.4, 1.1), "sharpness": (0.7, 1.3)}
    for name, (low, high) in wanted.items():
        values, times = getattr(params, name).unique(return_counts=True)
        tenths = torch.arange(round(10 * low), round(10 * high) + 1) / 10
        torch.testing.assert_close(values, tenths)
        assert times / n == pytest.approx([1 / len(tenths)] * len(tenths), abs=0.01)


def test_source_and_target_move_together_as_numpy_moves_them():
    augment = PairAugment(flip=1.0, turn=0.8, **PLAIN)
    batch = _pair(32, 2, 16, 16)
    params = augment.draw(batch["image"].shape, generator=_generator())
    out = augment.apply(batch, params)
    assert params.flips.any(dim=0).all()
    assert set(params.turns.tolist()) == {0, 1, 2, 3}
    for index, (mirror, turns) in enumerate(zip(params.flips.tolist(), params.turns.tolist(), strict=True)):
        want = batch["target"][index].numpy()
        want = want[:, ::-1] if mirror[0] else want[:, :, ::-1]
        want = np.rot90(want, turns, axes=(1, 2))
        np.testing.assert_array_equal(out["target"][index].numpy(), want)
        np.testing.assert_allclose(out["image"][index].numpy(), want, atol=1e-6)


def test_only_the_source_is_cut_to_levels_and_changed_as_pil_changes_it():
    batch = {
        name: torch.rand((24, 1, 64, 64), generator=_generator(seed)) for name, seed in (("image", 1), ("target", 2))
    }
    augment = PairAugment(flip=0, turn=0)
    params = augment.draw(batch["image"].shape, generator=_generator(3))
    out = augment.apply(batch, params)
    assert torch.equal(out["target"], batch["target"])
    levels = out["image"] * 255
    torch.testing.assert_close(levels, levels.round(), atol=1e-4, rtol=0)
    for index, image in enumerate(batch["image"][:, 0]):
        picture = Image.fromarray((image.numpy() * 255).astype(np.uint8))
        for enhance in (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Sharpness):
            picture = enhance(picture).enhance(float(getattr(params, enhance.__name__.lower())[index]))
        assert np.abs(levels[index, 0].numpy() - np.asarray(picture, dtype=float)).max() <= 2.01


def test_neighbouring_slices_move_with_their_own_and_the_rest_of_the_batch_is_passed_on():
    batch = _pair(6, 3, 16, 16)
    batch["target"] = batch["target"][:, 1:2]
    out = PairAugment(**PLAIN)(batch, generator=_generator())
    torch.testing.assert_close(out["image"][:, 1:2], out["target"])
    assert torch.equal(out["index"], batch["index"])
    assert out["image"].shape == (6, 3, 16, 16)


def test_volumes_move_in_the_plane_of_their_slices():
    batch = _pair(8, 1, 3, 10, 10)
    augment = PairAugment(flip=1.0, turn=0.5, **PLAIN)
    params = augment.draw(batch["image"].shape, generator=_generator())
    out = augment.apply(batch, params)
    slices = {"image": batch["image"][:, 0], "target": batch["target"][:, 0]}  # slices as channels
    torch.testing.assert_close(out["target"][:, 0], augment.apply(slices, params)["target"], rtol=0, atol=0)
    torch.testing.assert_close(out["image"], out["target"])


def test_padding_moves_with_the_data():
    batch = _pair(8, 1, 4, 8, 8)
    batch["real"] = torch.zeros(8, 1, 4, 8, 8, dtype=torch.bool)
    batch["real"][..., :3, 2:] = True
    batch["target"] = batch["real"].float()
    out = PairAugment()(batch, generator=_generator())
    assert out["real"].dtype == torch.bool
    assert torch.equal(out["real"].float(), out["target"])


def test_images_that_are_not_square_turn_by_halves_only():
    turns = PairAugment().draw((400, 1, 8, 12), generator=_generator()).turns
    assert set(turns.tolist()) == {0, 2}
    assert (turns == 2).float().mean() == pytest.approx(0.5, abs=0.08)


def test_the_same_generator_gives_the_same_batch_and_another_seed_another_and_the_input_is_left_alone():
    batch, augment = _pair(8, 1, 32, 32), PairAugment()
    before = {name: value.clone() for name, value in batch.items()}
    first = augment(batch, generator=_generator(1))
    torch.manual_seed(99)  # no hidden use of the global generator
    again, other = augment(batch, generator=_generator(1)), augment(batch, generator=_generator(2))
    for name in ("image", "target"):
        assert torch.equal(first[name], again[name])
        assert not torch.equal(first[name], other[name])
        assert torch.equal(batch[name], before[name])
        assert 0 <= first[name].min() <= first[name].max() <= 1


def test_a_stack_moves_as_a_whole_and_changes_its_grey_values_only_when_asked():
    stack = {"image": torch.rand(6, 4, 16, 16, generator=_generator()), "available": torch.ones(6, 4, dtype=torch.bool)}
    stack["image"][:, 2] = 0  # a contrast that is missing
    still = PairAugment(photometric="none")(stack, generator=_generator(1))
    assert torch.equal(still["image"].flatten().sort().values, stack["image"].flatten().sort().values)
    assert torch.equal(still["available"], stack["available"])
    changed = PairAugment(photometric="all")(stack, generator=_generator(1))["image"]
    assert not torch.equal(changed, still["image"])
    assert (changed[:, 2] == 0).all()


def test_all_channels_of_a_stack_get_one_factor():
    stack = {"image": torch.full((1, 3, 8, 8), 0.4)}
    augment = PairAugment(photometric="all")
    params = replace(augment.draw((1, 3, 8, 8)), brightness=torch.tensor([0.5]))
    assert len(augment.apply(stack, params)["image"].unique()) == 1


def test_all_randomness_is_in_the_parameters():
    names = {field.name for field in fields(PairAugment().draw((2, 1, 8, 8)))}
    assert names == {"flips", "turns", "brightness", "contrast", "sharpness"}


@pytest.mark.parametrize(
    ("bad", "match"),
    [
        ({"flip": 1.5}, r"flip must lie in \[0, 1\], got 1.5"),
        ({"turn": -0.1}, r"turn must lie in \[0, 1\], got -0.1"),
        ({"contrast": ()}, "contrast must be a list of factors"),
        ({"photometric": "target"}, "photometric must be 'source' or 'all' or 'none', got 'target'"),
    ],
)
def test_figures_out_of_range_are_refused(bad, match):
    with pytest.raises(ValueError, match=match):
        PairAugment(**bad)


def test_a_batch_of_another_kind_is_refused():
    image = torch.rand(2, 1, 8, 8)
    with pytest.raises(ValueError, match=r"got 'source' and \['available', 'image'\]"):
        PairAugment()({"image": image, "available": torch.ones(2, 1)})
    with pytest.raises(ValueError, match="got 'all'"):
        PairAugment(photometric="all")({"image": image, "target": image})
    with pytest.raises(ValueError, match="image and target differ in size"):
        PairAugment()({"image": image, "target": image[..., 1:]})
    with pytest.raises(ValueError, match=r"got \(2, 8, 8\)"):
        PairAugment()({"image": image[:, 0], "target": image[:, 0]})
