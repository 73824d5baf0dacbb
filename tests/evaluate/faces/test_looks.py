"""Where a network looks for a unit: what was hidden has no share, and maps say what they are said to say."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from medmae.evaluate.faces.looks import hatched, looked, looked_at
from medmae.evaluate.faces.readers import OWN, patches_of, readers_of
from medmae.methods.action_units import teacher_small_faces
from medmae.methods.occlusion_au import OcclusionAU

NAMES = ("AU1", "AU4", "AU12")
SIZES = {"image_size": 32, "patch_size": 8, "embed_dim": 24, "depth": 1, "num_heads": 2, "unit_dim": 32}
GRID = (4, 4)
HIDDEN = torch.arange(16) < 6


def method_of(mapping):
    torch.manual_seed(0)
    if mapping == "teacher":
        return teacher_small_faces(names=NAMES, image_size=32, unit_dim=32).eval()
    return OcclusionAU(names=NAMES, mapping=mapping, scale="imagenet", **SIZES).eval()


@pytest.mark.parametrize(
    ("mapping", "how"),
    [("visible", "gradient"), ("completed", "gradient"), ("teacher", "gradient"), ("queries", "attention")],
)
def test_visible_patches_share_a_look_and_hidden_ones_have_no_part_in_it(mapping, how):
    method, face = method_of(mapping), torch.rand(3, 32, 32)
    shares, found = looked_at(method, face, HIDDEN)
    assert found == how
    assert shares.shape == (3, 16)
    torch.testing.assert_close(shares.sum(dim=1), torch.ones(3))
    assert not shares[:, HIDDEN].any()
    assert shares[:, ~HIDDEN].all()
    other = torch.where(patches_of(method).paint(HIDDEN[None])[0], torch.rand(3, 32, 32), face)
    assert torch.equal(looked_at(method, other, HIDDEN)[0], shares)
    assert not torch.equal(looked_at(method, face, None)[0], shares)
    assert all(parameter.grad is None for parameter in method.parameters())


def test_a_patch_counts_by_how_much_it_moves_a_unit():
    method, face = method_of("visible").double(), torch.rand(3, 32, 32, dtype=torch.float64)
    shares, _ = looked_at(method, face, None)
    nothing = method.encoder.scaling.invert(torch.zeros(1, 3, 1, 1, dtype=torch.float64))[0]
    moved = []
    for patch in torch.eye(16, dtype=torch.bool):
        own = patches_of(method).paint(patch[None])[0]
        ends = [
            readers_of(method)[OWN](torch.where(own, face + step * (face - nothing), face)[None], None).units[0]
            for step in (1e-4, -1e-4)
        ]
        moved.append((ends[0] - ends[1]).detach().abs())
    wanted = torch.stack(moved, dim=1)  # (K, N)
    torch.testing.assert_close(shares, wanted / wanted.sum(dim=1, keepdim=True), rtol=1e-4, atol=1e-6)


def test_a_map_is_drawn_over_what_is_seen_and_hidden_patches_are_hatched():
    picture, shares = torch.ones(3, 32, 32), torch.zeros(16)
    shares[15] = 1
    drawn = looked(picture, shares, HIDDEN, grid=GRID)
    assert torch.equal(drawn[:, 24:, 24:], drawn[:, 31:, 31:].expand(3, 8, 8))  # one colour
    assert drawn[2, 31, 31] < drawn[0, 31, 31] < 1
    assert torch.equal(drawn[:, 16:24], picture[:, 16:24])  # no share, no colour
    assert np.unique(drawn[:, :8].numpy()).tolist() == pytest.approx([0.4, 0.8])  # lines and what is between them
    assert torch.equal(hatched(picture, HIDDEN, grid=GRID)[:, :8], drawn[:, :8])
