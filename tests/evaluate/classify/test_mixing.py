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
