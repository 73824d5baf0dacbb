"""Which sample is another, and what matching costs."""

from __future__ import annotations

import math

import pytest
import torch

from medmae.objectives.matching import hard_other, hard_weights, matching_loss, next_other


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


def test_the_more_alike_two_are_the_likelier_is_one_the_negative_of_the_other_and_its_own_never():
    likeness, same = torch.tensor([[0.0, 2.0, 1.0], [3.0, 3.0, 3.0]]), torch.tensor([[True, False, False], [True] * 3])
    weights = hard_weights(likeness, same)
    assert weights[0].tolist() == pytest.approx([0, *(math.exp(x) / (1 + math.exp(1) + math.exp(2)) for x in (2, 1))])
    assert hard_other(weights)[1].tolist() == [True, False]
    assert hard_other(weights)[0].tolist()[1] == 1  # where there is none, itself


def test_over_batches_of_random_order_each_is_taken_as_often_as_its_weight_says():
    """Of four samples a negative for sample 0: weights 0, 1, 2, 5."""
    generator, weights = torch.Generator().manual_seed(0), torch.tensor([[0.0, 1, 2, 5]] * 4)
    counts = torch.zeros(4)
    for _ in range(4000):
        order = torch.randperm(4, generator=generator)
        row = int((order == 0).nonzero())
        found = hard_other(weights[:, order])[0][row]
        counts[order[found]] += 1
    assert counts.tolist() == pytest.approx([0, 500, 1000, 2500], abs=250)


def test_with_negatives_of_all_processes_a_row_begins_behind_itself():
    weights = torch.tensor([[1.0, 1.0, 0.0, 1.0], [1.0, 1.0, 1.0, 0.0]])
    assert hard_other(weights, first=2)[0].tolist() == [3, 2]  # a quarter of the way, and three quarters
