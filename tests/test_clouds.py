"""Clouds on the CPU: NumPy and trees find what torch finds, number by number, and leave to it what they cannot."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from medmae import clouds
from medmae.clouds import farthest_of, nearest_of
from medmae.objectives import chamfer
from medmae.objectives.chamfer import chamfer_l2
from medmae.tokens import points as module
from medmae.tokens.points import farthest, nearest


def _clouds(name: str) -> torch.Tensor:
    generator = torch.Generator().manual_seed(3)
    some = torch.randn(2, 600, 3, generator=generator)
    grid = torch.stack(torch.meshgrid(*[torch.arange(9.0)] * 3, indexing="ij"), dim=-1).reshape(1, -1, 3) - 4
    return {
        "scattered": some,
        "double": some.double(),
        "a grid, whose neighbours are equally near": grid.expand(2, -1, -1),
        "few points, many times": some[:, :40].repeat(1, 15, 1),
        "turned about the diagonal, so that rounding decides": torch.cat(
            [some[:, :1] * 0] + [some[:, :190].roll(turn, dims=2) for turn in range(3)], dim=1
        ),
        "one point only": torch.ones(2, 600, 3),
        "nearer than single precision tells": some * 1e-24,
        "a million from the origin": some + 1e6,
    }[name]


KINDS = [
    "scattered",
    "double",
    "a grid, whose neighbours are equally near",
    "few points, many times",
    "turned about the diagonal, so that rounding decides",
    "one point only",
    "nearer than single precision tells",
    "a million from the origin",
]


@pytest.fixture
def by_torch(monkeypatch):
    """Runs a search as on a device that NumPy cannot read."""

    def run(search):
        with monkeypatch.context() as patched:
            for place in (module, chamfer):
                patched.setattr(place, "searchable", lambda *_: False)
            return search()

    return run


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("options", [{}, {"start": torch.tensor([5, 9])}, {"spare_origin": True}])
def test_the_same_points_are_far_from_each_other(name, options, by_torch):
    some = _clouds(name)
    assert torch.equal(farthest(some, count=200, **options), by_torch(lambda: farthest(some, count=200, **options)))


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("count", [1, 7, 571])
def test_the_same_points_are_near_in_the_same_order(name, count, by_torch):
    some = _clouds(name)
    queries = torch.cat([some[:, :50], some[:, :20] * 1.5], dim=1)
    expected = by_torch(lambda: nearest(queries, some, count=count))
    assert torch.equal(nearest(queries, some, count=count), expected)


def test_padding_is_neither_far_nor_near(by_torch):
    some = _clouds("scattered")
    real = torch.rand(2, 600, generator=torch.Generator().manual_seed(1)) < 0.95
    real[:, 0] = True
    far, near = (lambda: farthest(some, count=70, real=real)), (lambda: nearest(some, some, count=9, real=real))
    assert torch.equal(far(), by_torch(far))
    assert torch.equal(near(), by_torch(near))
    assert real.gather(1, near().flatten(1)).all()


@pytest.mark.parametrize("padded", [False, True])
def test_distances_and_their_gradients_are_the_same(padded, by_torch):
    some = _clouds("scattered")
    real = torch.arange(600).expand(2, -1) < 590 if padded else None
    found = []
    for run in (by_torch, lambda search: search()):
        moving = (some.flip(0)[:, :550] + 0.1).requires_grad_()
        loss = run(lambda moving=moving: chamfer_l2(moving, some, reduction="sum", real=real))
        loss.backward()
        found += [loss.detach(), moving.grad]
    assert torch.equal(found[0], found[2])
    assert torch.allclose(found[1], found[3], atol=1e-6)


def test_a_cloud_with_a_number_that_is_none_is_searched_by_torch(by_torch):
    some = _clouds("scattered").clone()
    some[0, 7, 1] = torch.nan
    assert torch.equal(nearest(some, some, count=4), by_torch(lambda: nearest(some, some, count=4)))
    assert torch.equal(farthest(some, count=9), by_torch(lambda: farthest(some, count=9)))


def test_trees_are_asked_about_large_clouds_and_only_the_unsure_are_sorted(monkeypatch):
    asked = []
    by_tree = clouds._by_tree

    def watched(*arguments):
        asked.append(len(by_tree(*arguments)))
        return np.arange(asked[-1])

    monkeypatch.setattr(clouds, "_by_tree", watched)
    some = _clouds("scattered")[0].numpy()
    nearest_of(some[:100], some, count=5)
    nearest_of(some[:100], some[:511], count=5)
    nearest_of(some[:100] * 0, some * 0, count=5)
    assert asked == [0, 100]


def test_parts_are_the_whole(monkeypatch):
    some = _clouds("few points, many times")[0].numpy()
    whole = nearest_of(some, some, count=20)
    monkeypatch.setattr(clouds, "_AT_ONCE", 7000)
    assert np.array_equal(nearest_of(some, some, count=20), whole)


def test_what_is_not_allowed_does_not_follow():
    some = np.random.default_rng(0).normal(size=(30, 3)).astype(np.float32)
    found = farthest_of(some, count=10, start=29, allowed=np.arange(30) < 12)
    assert found[0] == 29
    assert found[1:].max() < 12


def test_what_is_recorded_or_elsewhere_is_not_searched_by_numpy(monkeypatch):
    some = _clouds("scattered")
    assert module.searchable(some, some)
    assert not module.searchable(some, some.double())
    assert not module.searchable(some.half())
    assert not module.searchable(some.to("meta"))
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)
    assert not module.searchable(some)
