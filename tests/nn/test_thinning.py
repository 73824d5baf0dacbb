"""Tokens that are dropped between attention and MLP: which, how many, and what is left of them."""

from __future__ import annotations

import pytest
import torch
from torch.testing import assert_close

from medmae.nn.blocks import Block
from medmae.nn.checkpointing import checkpoint_activations
from medmae.nn.thinning import Thinning, kept_count, warmed


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def hook(count, keep, **options):
    return Thinning(torch.arange(count).expand(2, -1), keep=keep, nowhere=count, **options)


@pytest.fixture
def tokens():
    return torch.randn(2, 9, 8, generator=seeded())


@pytest.fixture
def importance():
    return torch.rand(2, 8, generator=seeded(1))


def test_the_most_important_are_kept_in_their_order_and_the_class_token_always(tokens, importance):
    thin = hook(8, 5)
    left = thin(tokens, importance)
    assert left.shape == (2, 1 + 5 + 1, 8)
    assert torch.equal(left[:, 0], tokens[:, 0])
    best = importance.topk(5, dim=1).indices
    assert torch.equal(thin.left, torch.cat([best, torch.full((2, 1), 8)], dim=1))
    assert torch.equal(left[0, 1:6], tokens[0, 1 + best[0]])


def test_of_equally_important_tokens_the_first_are_kept_on_any_device():
    tokens = torch.randn(2, 197, 8, generator=seeded())
    thin = hook(196, 100)
    left = thin(tokens, torch.tensor([0.5, 0.25]).repeat(98).expand(2, -1))  # every second one twice as important
    expected = torch.cat([torch.arange(0, 196, 2), torch.tensor([1, 3])])
    assert torch.equal(thin.left[:, :100], expected.expand(2, -1))
    assert torch.equal(left[:, 1:101], tokens[:, 1:][:, expected])


@pytest.mark.parametrize("weigh", [False, True])
def test_the_rest_is_one_sum_by_importance_or_a_mean(weigh, tokens, importance):
    left = hook(8, 5, weigh=weigh)(tokens, importance)
    worst = importance.topk(3, dim=1, largest=False).indices
    weight = importance.gather(1, worst)
    expected = sum(weight[1, i] * tokens[1, 1 + worst[1, i]] for i in range(3))
    assert_close(left[1, -1], expected / weight[1].sum() if weigh else expected)


def test_without_fusing_the_rest_is_gone_and_keeping_all_changes_nothing(tokens, importance):
    assert hook(8, 5, fuse=False)(tokens, importance).shape == (2, 6, 8)
    assert hook(8, 8)(tokens, importance) is tokens


def test_a_fused_token_may_be_kept_or_fused_again_and_is_no_patch(tokens):
    thin = Thinning(torch.tensor([[3, 5, 9]] * 2), keep=2, nowhere=9)
    thin(tokens[:, :4], torch.tensor([[0.1, 0.2, 0.3], [0.3, 0.2, 0.1]]))
    assert thin.left.tolist() == [[9, 5, 9], [3, 5, 9]]


def test_counts_are_those_of_evit():
    assert [kept_count(num_tokens=n, rate=0.7) for n in (68, 49, 36)] == [48, 35, 26]
    assert kept_count(num_tokens=100, rate=0.55) == 55  # 55.00000000000001 in floating point


def test_the_rate_falls_from_one_in_few_steps():
    rates = [warmed(0.7, progress=i / 100, warmup=0.1) for i in range(101)]
    assert rates[0] == 1
    assert rates[10:] == [0.7] * 91
    assert rates == sorted(rates, reverse=True)
    assert len({round(rate, 6) for rate in rates}) <= 7
    assert warmed(0.7, progress=0.0, warmup=0.0) == 0.7


def test_importance_is_computed_in_float32_and_follows_the_tokens():
    block = Block(8, num_heads=2).half()
    mixed, importance = block.attn.with_importance(torch.randn(1, 5, 8).half())
    assert (mixed.dtype, importance.dtype) == (torch.float16, torch.float32)
    assert (importance.sum(dim=1) < 1).all()  # what the class token reads of itself is left out


def test_what_is_dropped_is_the_same_when_a_block_is_computed_again(tokens):
    block, gradients = Block(8, num_heads=2), []
    for recompute in (False, True):
        checkpoint_activations(block, enabled=recompute)
        data = tokens.clone().requires_grad_()
        block(data, between=hook(8, 4)).square().sum().backward()
        gradients.append(data.grad)
    assert_close(*gradients)
