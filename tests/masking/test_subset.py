"""Which contrasts are given."""

from __future__ import annotations

import pytest
import torch

from medmae.masking.subset import draw_subset


def seeded(seed):
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def available():
    rows = [[1, 1, 1, 1], [1, 0, 1, 1], [0, 1, 0, 1], [1, 1, 0, 0]]
    return torch.tensor(rows, dtype=torch.bool)


def test_a_part_of_what_is_there_is_given_never_none_and_never_all(available):
    for seed in range(200):
        given = draw_subset(available, generator=seeded(seed))
        assert not (given & ~available).any()
        assert given.any(dim=1).all()
        assert (given.sum(dim=1) < available.sum(dim=1)).all()


def test_how_many_are_given_and_which_is_uniform():
    given = draw_subset(torch.ones(30_000, 4, dtype=torch.bool), generator=seeded(0))
    counts = given.sum(dim=1).bincount(minlength=5)
    assert counts[[0, 4]].tolist() == [0, 0]
    assert counts[1:4].tolist() == pytest.approx([10_000] * 3, rel=0.05)
    for count in (1, 2, 3):
        share = given[given.sum(dim=1) == count].float().mean(dim=0)
        assert share.tolist() == pytest.approx([count / 4] * 4, rel=0.05)


def test_of_two_contrasts_each_is_given_as_often():
    given = draw_subset(torch.ones(10_000, 2, dtype=torch.bool), generator=seeded(0))
    assert (given.sum(dim=1) == 1).all()
    assert given[:, 0].float().mean() == pytest.approx(0.5, rel=0.05)


def test_the_same_seed_gives_the_same_part_and_draws_from_that_generator_alone(available):
    before = torch.get_rng_state()
    assert torch.equal(draw_subset(available, generator=seeded(3)), draw_subset(available, generator=seeded(3)))
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("left", [[0, 0, 1, 0], [0, 0, 0, 0]], ids=["one", "none"])
def test_a_sample_of_fewer_than_two_contrasts_is_refused_by_number(available, left):
    available[1] = torch.tensor(left)
    with pytest.raises(ValueError, match=r"samples \[1\] of the batch have fewer than two contrasts.*leave them out"):
        draw_subset(available)
