"""Which sample is another, and what matching costs."""

from __future__ import annotations

import math

import pytest
import torch

from medmae.objectives.matching import matching_loss, next_other


@pytest.mark.parametrize(
    ("ids", "others", "found"),
    [
        ([1, 2, 3], [1, 2, 0], [True, True, True]),
        ([1, 1, 2], [2, 2, 0], [True, True, True]),  # the next one is no other; around the end
        ([5, 2, 5, 5], [1, 2, 1, 1], [True, True, True, True]),
        ([4, 4], [1, 0], [False, False]),
        ([4], [0], [False]),
    ],
)
def test_the_next_that_is_another_is_taken(ids, others, found):
    which, there_is = next_other(torch.tensor(ids))
    assert which.tolist() == others
    assert there_is.tolist() == found


def test_each_pair_costs_what_its_class_costs():
    true, others = torch.tensor([[0.0, 2.0], [1.0, 0.0]]), torch.tensor([[3.0, 0.0]])
    cost = [math.log1p(math.exp(-2)), math.log1p(math.exp(1)), math.log1p(math.exp(-3))]
    assert matching_loss(true, others).item() == pytest.approx(sum(cost) / 3)


def test_a_pair_that_does_not_count_costs_and_teaches_nothing():
    true = torch.randn(3, 2, generator=torch.Generator().manual_seed(0))
    others = torch.tensor([[9.0, 0.0], [0.0, 9.0], [0.0, 9.0]], requires_grad=True)
    counted = torch.tensor([True, False, True])
    loss = matching_loss(true, others, counted=counted)
    assert loss.item() == pytest.approx(matching_loss(true, others[counted]).item())
    loss.backward()
    assert not others.grad[1].any()
    assert others.grad[2].any()
