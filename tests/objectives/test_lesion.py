from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from medmae.objectives.lesion import lesion_weights, weighted_error


@pytest.mark.parametrize("size", [(8, 8), (8, 8, 8)])
def test_a_lesion_and_what_touches_it_weigh_more(size):
    lesion = torch.zeros(1, 1, *size)
    lesion[(0, 0, *(4 for _ in size))] = 0.5
    weight = lesion_weights(lesion, more=10)
    assert weight.shape == lesion.shape
    inside = (slice(3, 6),) * len(size)
    assert (weight[0, 0][inside] == 6).all()
    assert weight.sum() == weight.numel() + 5 * 3 ** len(size)


def test_an_error_counts_as_much_as_it_weighs():
    found, target = torch.tensor([[1.0, 0.0]]), torch.zeros(1, 2)
    assert weighted_error(F.mse_loss, found, target, torch.tensor([[3.0, 1.0]])) == 0.75
    assert weighted_error(F.l1_loss, 2 * found, target, None) == 1
