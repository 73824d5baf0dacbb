"""Patches of clouds: what is taken, in which order, of padded clouds and of too small ones."""

from __future__ import annotations

import pytest
import torch

from medmae.objectives import chamfer
from medmae.objectives.chamfer import chamfer_l1, chamfer_l2, earth_mover, f_score, nearest_squared
from medmae.tokens import points as module
from medmae.tokens.points import PointPatches, farthest, in_unit_sphere, nearest, pick, squared_distances


@pytest.fixture
def clouds():
    return torch.randn(3, 40, 3, generator=torch.Generator().manual_seed(0))


def test_centres_begin_where_it_is_said_and_none_is_taken_twice(clouds):
    found = farthest(clouds, count=40, start=torch.tensor([0, 7, 39]))
    assert found[:, 0].tolist() == [0, 7, 39]
    assert all(len(set(row)) == 40 for row in found.tolist())


def test_each_next_centre_is_the_farthest_from_all_before_it(clouds):
    found = farthest(clouds, count=5)
    for number in range(1, 5):
        left = squared_distances(clouds, pick(clouds, found[:, :number])).amin(dim=2)
        assert torch.equal(left.argmax(dim=1), found[:, number])


def test_the_first_of_equally_near_points_comes_first():
    twice = torch.tensor([[[0.0, 0, 0], [1, 0, 0], [0, 0, 0], [1, 0, 0], [5, 0, 0]]])
    assert nearest(twice[:, :2], twice, count=4).tolist() == [[[0, 2, 1, 3], [1, 3, 0, 2]]]


def test_many_queries_are_answered_in_parts(clouds, monkeypatch):
    whole = nearest(clouds, clouds, count=6)
    monkeypatch.setattr(module, "_AT_ONCE", 3 * 40 * 7)
    assert torch.equal(nearest(clouds, clouds, count=6), whole)
    assert torch.equal(whole[:, :, 0], torch.arange(40).expand(3, -1))


def test_padding_is_no_centre_and_no_neighbour(clouds):
    real = torch.ones(3, 40, dtype=torch.bool)
    real[1, 25:] = False
    padded = clouds.clone()
    padded[1, 25:] = 100.0
    patches = PointPatches.cut(padded, count=8, size=6, real=real)
    alone = PointPatches.cut(clouds[1:2, :25], count=8, size=6)
    assert torch.equal(patches.members[1], alone.members[0])
    assert torch.equal(patches.centres[1], alone.centres[0])
    with pytest.raises(ValueError, match="start=30 is padding"):
        farthest(padded, count=2, start=30, real=real)


@pytest.mark.parametrize(("count", "size", "said"), [(50, 4, "50 centres of a cloud of 40"), (4, 50, "50 members")])
def test_too_small_clouds_are_refused(count, size, said, clouds):
    with pytest.raises(ValueError, match=f"{said}.*sample more points"):
        PointPatches.cut(clouds, count=count, size=size)


def test_patches_that_a_batch_brings_are_taken_move_with_its_points_and_have_to_fit(clouds):
    members = PointPatches.cut(clouds, count=5, size=4).members.flip(2)
    taken = PointPatches.of({"members": members}, clouds + 1, count=5, size=4)
    assert torch.equal(taken.members, members)
    assert torch.equal(taken.centres, pick(clouds, members[:, :, 0]) + 1)
    with pytest.raises(ValueError, match=r"5 patches of 8 points.*--patch-points 8"):
        PointPatches.of({"members": members}, clouds, count=5, size=8)
    with pytest.raises(ValueError, match="of a cloud of 20: prepare it anew"):
        PointPatches.of({"members": members}, clouds[:, :20], count=5, size=4)


def test_what_patches_cover_is_what_lies_in_them(clouds):
    patches = PointPatches.cut(clouds, count=5, size=4)
    which = torch.zeros(3, 5, dtype=torch.bool)
    which[:, 1] = True
    covered = patches.covered(which, num_points=40)
    for row, members in zip(covered, patches.members[:, 1], strict=True):
        assert set(row.nonzero().flatten().tolist()) == set(members.tolist())


def test_a_size_that_is_taken_away_is_handed_back(clouds):
    unit, mean, radius = in_unit_sphere(clouds * 3 + 2)
    assert unit.norm(dim=2).amax().item() == pytest.approx(1, abs=1e-5)
    assert torch.allclose(unit * radius + mean, clouds * 3 + 2, atol=1e-4)
    with pytest.raises(ValueError, match="has no extent"):
        in_unit_sphere(torch.ones(1, 5, 3))


def test_distances_are_none_of_itself_and_alike_from_both_sides(clouds):
    other = clouds.flip(1)
    for far in (chamfer_l1, chamfer_l2):
        assert far(clouds, other).item() == 0  # the order of points means nothing
        assert torch.isclose(far(clouds, other + 0.1), far(other + 0.1, clouds))
    moved = chamfer_l2(clouds, other + 0.1), chamfer_l2(clouds, other + 0.1, reduction="sum")
    assert moved[1].item() == pytest.approx(3 * 40 * moved[0].item(), rel=1e-5)


def test_padding_of_the_truth_is_near_nothing_and_missed_by_nobody(clouds):
    real = torch.ones(1, 40, dtype=torch.bool)
    real[0, 30:] = False
    one, truth = clouds[:1], clouds[1:2].clone()
    truth[0, 30:] = one[0, 30:]
    for reduction in ("mean", "sum"):
        padded = chamfer_l2(one, truth, reduction=reduction, real=real)
        assert torch.isclose(padded, chamfer_l2(one, truth[:, :30], reduction=reduction))
        assert not torch.isclose(padded, chamfer_l2(one, truth, reduction=reduction))
    assert nearest_squared(one, truth, real=real)[1].shape == (30,)


def test_distances_have_finite_gradients_where_points_meet(clouds):
    moving = clouds.clone().requires_grad_()
    (chamfer_l1(moving, clouds) + earth_mover(moving, clouds).sum()).backward()
    assert moving.grad.isfinite().all()


def test_an_assignment_is_no_nearer_than_the_nearest_and_needs_equal_numbers(clouds):
    other = clouds.flip(0)
    assert (earth_mover(clouds, other) >= nearest_squared(clouds, other)[0].sqrt().mean(dim=1) - 1e-6).all()
    with pytest.raises(ValueError, match="as many points of both"):
        earth_mover(clouds, other[:, :39])


def test_shares_of_points_within_a_distance():
    one = torch.tensor([[[0.0, 0, 0], [1, 0, 0], [9, 0, 0]]])
    other = torch.tensor([[[0.0, 0, 0.4], [1, 0, 0.6]]])
    # precision 1 / 3, recall 1 / 2
    assert f_score(one, other, within=0.5).item() == pytest.approx(0.4)


@pytest.mark.parametrize("padded", [False, True])
def test_distances_of_many_points_are_taken_in_parts_with_the_same_gradients(padded, clouds, monkeypatch):
    real = torch.arange(40).expand(3, -1) < 33 if padded else None
    found = []
    for at_once in (2**24, 200):
        monkeypatch.setattr(chamfer, "_AT_ONCE", at_once)
        one = (clouds[:, :25] + 0.3).requires_grad_()
        loss = chamfer_l2(one, clouds, reduction="sum", real=real)
        loss.backward()
        found += [loss.detach(), one.grad]
    assert torch.allclose(found[0], found[2], rtol=1e-6)
    assert torch.allclose(found[1], found[3], atol=1e-5)


def test_a_patch_begins_with_its_centre_and_one_cloud_is_a_batch(clouds):
    alone = PointPatches.cut(clouds[:1], count=5, size=4)
    together = PointPatches.cut(clouds, count=5, size=4)
    assert torch.equal(alone.members[0], together.members[0])
    assert torch.equal(pick(clouds, together.members[:, :, 0]), together.centres)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU: patches of both devices are compared on one")
def test_patches_are_the_same_on_any_device():
    clouds = torch.randn(4, 2048, 3, generator=torch.Generator().manual_seed(1))
    here, there = (PointPatches.cut(some, count=32, size=64) for some in (clouds, clouds.cuda()))
    assert torch.equal(here.members.sort(dim=2).values, there.members.sort(dim=2).values.cpu())
    assert torch.equal(here.centres, there.centres.cpu())


def test_no_distance_is_negative_and_that_of_a_point_to_itself_is_nothing(clouds):
    far = clouds + 100  # where |a|^2 + |b|^2 - 2ab leaves little but rounding
    distance = squared_distances(far, far)
    assert distance.min() == 0
    assert not distance.diagonal(dim1=1, dim2=2).any()
    assert torch.equal(nearest(far, far, count=1)[:, :, 0], torch.arange(40).expand(3, -1))


def test_ties_are_settled_by_number_as_every_device_has_to():
    grid = torch.stack(torch.meshgrid(*[torch.arange(4.0)] * 3, indexing="ij"), dim=-1).reshape(1, -1, 3)
    numbers = nearest(grid[:, :1], grid, count=4)[0, 0]
    assert numbers.tolist() == [0, 1, 4, 16]  # three at distance 1, the first of them first
    assert farthest(grid, count=2)[0].tolist() == [0, 63]
