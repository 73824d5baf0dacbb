"""Labels that are moved and mixed with their images."""

import pytest
import torch

from medmae.data.augment.stain import StainAugment
from medmae.evaluate.classify.mixing import LabelledAugment, Mixing


def batch():
    return {"image": torch.rand(4, 3, 16, 16), "label": torch.tensor([0, 1, 2, 1]), "index": torch.arange(4)}


def seeded():
    return torch.Generator().manual_seed(0)


def test_without_mixing_shares_are_whole_and_what_else_is_there_is_passed_on():
    given = batch()
    made = LabelledAugment(num_classes=3, mixing=None)(given, generator=seeded())
    assert made["target"].argmax(dim=1).tolist() == [0, 1, 2, 1]
    assert made["target"].sum().item() == 4
    assert torch.equal(made["image"], given["image"])
    assert torch.equal(made["index"], given["index"])


def test_images_are_moved_first_and_mixed_then():
    moving = StainAugment(size=16, modalities=["image"])
    given, plain = batch(), Mixing(mixup=0.0, cutmix=0.0, smoothing=0.3)
    made = LabelledAugment(num_classes=3, augment=moving, mixing=plain)(given, generator=seeded())
    assert torch.equal(made["image"], moving(given, generator=seeded())["image"])
    assert made["target"][0].tolist() == pytest.approx([0.8, 0.1, 0.1])


def test_data_of_another_name_is_mixed_only_if_it_is_the_one_that_is_named():
    tiles = {"rgb" if key == "image" else key: value for key, value in batch().items()}
    assert LabelledAugment(num_classes=3, name="rgb")(tiles, generator=seeded())["target"].shape == (4, 3)
    with pytest.raises(ValueError, match='needs "image" in the batch'):
        LabelledAugment(num_classes=3)(tiles, generator=seeded())


@pytest.mark.parametrize("size", [(16, 24), (5, 16, 24)])
def test_what_is_cut_out_is_one_box_of_every_frame_and_its_share_is_that_of_the_pixels(size):
    images = torch.stack([torch.zeros(3, *size), torch.ones(3, *size)])
    generator = seeded()
    shares = []
    for _ in range(200):
        mixed, targets = Mixing(mixup=0.0, smoothing=0.0)(
            images, torch.tensor([0, 1]), num_classes=2, generator=generator
        )
        frames = mixed.flatten(1, -3)  # (B, C or C * T, H, W)
        assert torch.equal(frames, frames[:, :1].expand_as(frames))
        assert targets[0, 1].item() == pytest.approx(mixed[0].mean().item(), abs=1e-6)
        assert targets.sum(dim=1).tolist() == pytest.approx([1.0, 1.0])
        shares.append(targets[0, 0].item())
    assert 0 <= min(shares) < 0.4 < 0.9 < max(shares) <= 1


@pytest.mark.parametrize("options", [{"cutmix": 0.0}, {"mixup": 0.0}])
def test_bytes_are_not_mixed(options):
    clips = torch.zeros(2, 3, 4, 8, 8, dtype=torch.uint8)
    with pytest.raises(ValueError, match=r"torch\.uint8 are not mixed"):
        Mixing(**options)(clips, torch.tensor([0, 1]), num_classes=2, generator=seeded())
