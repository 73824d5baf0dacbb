"""Projector and predictor."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from medmae.nn.projector import Projector


@pytest.fixture
def projector():
    torch.manual_seed(0)
    return Projector(dim=6, hidden_dim=8, out_dim=4)


def test_parameters_are_those_of_the_published_heads():
    sizes = {"hidden_dim": 1536, "out_dim": 256}
    counts = [sum(p.numel() for p in Projector(dim=dim, **sizes).parameters()) for dim in (768, 256)]
    assert counts == [1_577_472, 791_040]


def test_it_is_linear_batch_norm_relu_linear(projector):
    features = torch.randn(5, 6)
    hidden = features @ projector.hidden.weight.T + projector.hidden.bias
    variance, mean = torch.var_mean(hidden, dim=0, correction=0)
    wanted = ((hidden - mean) / (variance + 1e-6).sqrt()).relu() @ projector.output.weight.T
    assert_close(projector(features), wanted, atol=1e-6, rtol=1e-5)


def test_one_sample_is_normalised_by_running_statistics_and_leaves_them(projector):
    projector(torch.randn(16, 6) + 1)
    before = {name: buffer.clone() for name, buffer in projector.named_buffers()}
    sample = torch.randn(1, 6)
    alone = projector(sample)
    assert all(torch.equal(buffer, before[name]) for name, buffer in projector.named_buffers())
    assert_close(alone, projector.eval()(sample))


def test_its_norm_is_one_that_can_be_synchronised_between_processes(projector):
    converted = nn.SyncBatchNorm.convert_sync_batchnorm(projector)
    assert isinstance(converted.norm, nn.SyncBatchNorm)
    assert converted.norm.eps == 1e-6
