"""Regression of a momentum teacher's features."""

from __future__ import annotations

import pytest
import torch
from torch.testing import assert_close

from medmae.objectives.momentum import normalised_mse


@pytest.fixture
def sides():
    generator = torch.Generator().manual_seed(0)
    return torch.randn(2, 5, 16, generator=generator), torch.randn(2, 5, 16, generator=generator)


@pytest.mark.parametrize("which", [0, 1], ids=["prediction", "target"])
def test_scaling_and_shifting_a_token_changes_nothing(sides, which):
    scale, shift = torch.rand(2, 2, 5, 1, generator=torch.Generator().manual_seed(1)).mul(9).add(1).unbind(0)
    other = list(sides)
    other[which] = other[which] * scale + shift
    assert_close(normalised_mse(*other), normalised_mse(*sides), atol=1e-5, rtol=1e-5)


def test_it_is_twice_what_correlation_lacks(sides):
    both = [torch.nn.functional.normalize(side - side.mean(dim=2, keepdim=True), dim=2) for side in sides]
    correlation = (both[0] * both[1]).sum(dim=2).mean()
    assert_close(normalised_mse(*sides), 2 - 2 * correlation, atol=1e-5, rtol=1e-5)


def test_weights_are_those_of_tokens_and_the_divisor_is_their_number(sides):
    weight = torch.zeros(2, 5)
    weight[1, 3] = 2.0
    alone = normalised_mse(*(side[1:, 3:4] for side in sides))
    assert_close(normalised_mse(*sides, weight=weight), 2 * alone / 10)


def test_epsilon_is_that_of_the_norm(sides):
    flat = torch.full((2, 5, 16), 3.0)
    assert normalised_mse(flat, flat).item() == 0
    small = [side * 1e-4 for side in sides]
    assert normalised_mse(*small, eps=1.0) < 1e-6 < normalised_mse(*small, eps=1e-12)
