"""Tokens of several contrasts as one row."""

from __future__ import annotations

import torch
from torch.testing import assert_close

from medmae.nn.contrasts import ContrastMean

GIVEN = torch.tensor([[1, 0, 1], [0, 1, 0]], dtype=torch.bool)


def test_the_mean_is_over_what_is_given_each_with_its_embedding():
    torch.manual_seed(0)
    layer, tokens = ContrastMean(num_contrasts=3, dim=4), torch.randn(3, 5, 4)
    mean = layer(tokens, GIVEN)
    first = (tokens[0] + layer.weight[0] + tokens[1] + layer.weight[2]) / 2
    assert_close(mean, torch.stack([first, tokens[2] + layer.weight[1]]))


def test_only_embeddings_of_given_contrasts_learn():
    layer = ContrastMean(num_contrasts=3, dim=4)
    layer(torch.randn(1, 5, 4), GIVEN[1:]).sum().backward()
    assert layer.weight.grad.any(dim=1).tolist() == [False, True, False]
