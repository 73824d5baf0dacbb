"""Centres, neighbours and distances of clouds are those of the published conventions."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from medmae.objectives.chamfer import best_assignment, chamfer_l1, chamfer_l2, earth_mover, nearest_squared
from medmae.tokens.points import PointPatches, farthest, in_unit_sphere, nearest, pick, squared_distances


@pytest.fixture(scope="module")
def reference(golden):
    return replace(golden("points"), share=1e-5)


@pytest.mark.parametrize(
    ("name", "count", "options"),
    [
        ("fps16_start0_plain", 16, {}),
        ("fps16_start5_plain", 16, {"start": 5}),
        ("fps64_start0_plain", 64, {}),
        ("fps16_start0_pointnet2", 16, {"spare_origin": True}),
        ("fps64_start0_pointnet2", 64, {"spare_origin": True}),
    ],
)
def test_centres_are_found_as_published(name, count, options, reference):
    assert torch.equal(farthest(reference["in.cloud"], count=count, **options), reference[f"out.{name}"])


def test_neighbours_are_found_as_published(reference):
    cloud = reference["in.cloud"]
    centres = pick(cloud, reference["out.fps16_start0_plain"])
    found = nearest(centres, cloud, count=8)
    assert torch.equal(found, reference["out.knn8_idx_sorted"])
    reference.compare(squared_distances(centres, cloud).gather(2, found), reference["out.knn8_sqdist"])
    patches = PointPatches.cut(cloud, count=16, size=8)
    reference.compare(patches.around_centres(cloud), reference["out.groups_centred"])


def test_clouds_are_brought_to_one_size_as_published(reference):
    reference.compare(in_unit_sphere(reference["in.cloud"])[0], reference["out.unit_sphere"])


def test_distances_have_the_published_factors(reference):
    one, other = reference["in.chamfer_a"], reference["in.chamfer_b"]
    there, back = nearest_squared(one, other)
    reference.compare(there, reference["out.cd_d_a2b_sq"])
    reference.compare(back, reference["out.cd_d_b2a_sq"])
    for name in ("cdl2_pointmae", "cd_mean_mae3d", "cd_pytorch3d_default"):
        reference.compare(chamfer_l2(one, other), reference[f"out.{name}"].squeeze())
    reference.compare(chamfer_l2(one, other, reduction="sum"), reference["out.cd_sum_mae3d"].squeeze())
    reference.compare(chamfer_l1(one, other), reference["out.cdl1_pointmae"].squeeze())


def test_an_assignment_is_the_best_one(reference):
    one, other = reference["in.chamfer_a"], reference["in.emd_b"]
    assert torch.equal(best_assignment(one, other), reference["out.emd_exact_assignment"])
    reference.compare(earth_mover(one, other), reference["out.emd_exact_mean_euclid"].float())
    reference.compare(earth_mover(one, other, squared=True), reference["out.emd_exact_mean_sq"].float())
