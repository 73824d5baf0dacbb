"""A small run: units are spots, few faces are coded; a taught student reads half-hidden ones better."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from medmae.evaluate.faces.occluded import hidden_at
from medmae.evaluate.faces.unit_scores import UnitScores
from medmae.masking.base import Mask
from medmae.methods.action_units import ActionUnits
from medmae.methods.occlusion_au import OcclusionAU
from medmae.nn.au_network import unit_network
from medmae.nn.vit import MaskedViT

NAMES = ("AU1", "AU2", "AU4")
SIZES: dict[str, Any] = {"image_size": 24, "patch_size": 4, "embed_dim": 32, "depth": 2, "num_heads": 4}
CODED = 24


def spots(count, seed):
    """Three units, each a spot; the third mostly goes with the first."""
    generator = torch.Generator().manual_seed(seed)
    target = torch.randint(2, (count, 3), generator=generator).float()
    target[:, 2] = torch.where(torch.rand(count, generator=generator) < 0.9, target[:, 0], target[:, 2])
    image = 0.5 + 0.1 * torch.randn(count, 3, 24, 24, generator=generator)
    for unit, (row, column) in enumerate([(4, 4), (4, 16), (16, 10)]):
        image[:, :, row : row + 5, column : column + 5] += 0.35 * target[:, unit].view(-1, 1, 1, 1)
    return image.clamp(0, 1), target


def trained(method, image, target, *, steps):
    generator = torch.Generator().manual_seed(0)
    learnt = [parameter for parameter in method.parameters() if parameter.requires_grad]
    optimiser = torch.optim.AdamW(learnt, lr=3e-3)
    method.train()
    for _ in range(steps):
        rows = torch.randint(len(image), (32,), generator=generator)
        optimiser.zero_grad()
        method({"image": image[rows], "target": target[rows]}, generator=generator).loss.backward()
        optimiser.step()
    return method.eval()


@pytest.mark.slow
def test_a_taught_student_reads_half_hidden_faces_better_than_one_of_labels_alone():
    image, target = spots(512, 1)
    unseen, truth = spots(300, 100)
    torch.manual_seed(0)
    network = unit_network(encoder=MaskedViT(**SIZES), units=3, dim=16)
    teacher = trained(ActionUnits(network=network, names=NAMES), image, target, steps=120)
    few = torch.where(torch.arange(512).unsqueeze(1) < CODED, target, torch.nan)
    mask = Mask.from_bool(hidden_at("block", 0.5, cases=[str(face) for face in range(300)], grid=(6, 6)))
    areas = []
    for weight in (0.0, 1.0):
        torch.manual_seed(7)
        student = OcclusionAU(names=NAMES, unit_dim=16, node_weight=weight, edge_weight=weight, **SIZES)
        student.learn_from(teacher.network, begin=False)
        trained(student, image, few, steps=100)
        with torch.no_grad():
            shares = student.read(unseen, mask).units.numpy()
        areas.append(UnitScores(names=NAMES).scores(truth.numpy(), shares)["auroc"])
    assert areas[1] > areas[0] + 0.05
