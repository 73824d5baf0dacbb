"""FSDP2 with one process, in this one; two processes are in test_ddp.py."""

from __future__ import annotations

import copy

import pytest
import torch
import torch.distributed as dist
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule
from torch.distributed.tensor import DTensor

from medmae.methods.base import MaskedMethod
from medmae.methods.registry import create
from medmae.nn.checkpointing import checkpoint_activations, recomputable_blocks
from medmae.training.shard import gather, shard
from tests.closeness import assert_close_in_scale


@pytest.fixture
def mesh():
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    yield init_device_mesh("cpu", (1,))
    dist.destroy_process_group()


@pytest.mark.parametrize("name", ["mae", "edge_mae", "mt_unet", "bootmae", "cmae"])
@pytest.mark.parametrize("recompute", [False, True])
def test_a_sharded_method_gives_the_same_loss_and_gradients(name, recompute, mesh):
    torch.manual_seed(0)
    plain = create(name, preset="tiny")
    method = copy.deepcopy(plain)
    if recompute:
        checkpoint_activations(method)
    shard(method, mesh=mesh)
    batch = plain.example_batch()
    masks = plain.draw_masks(batch) if isinstance(plain, MaskedMethod) else None
    losses = [m(batch, masks=masks).loss for m in (plain, method)]
    torch.testing.assert_close(*losses)
    for loss in losses:
        loss.backward()
    pairs = list(zip(method.parameters(), plain.parameters(), strict=True))
    gradients = [(mine.grad.full_tensor(), theirs.grad) for mine, theirs in pairs if theirs.requires_grad]
    largest = max(theirs.abs().max().item() for _, theirs in gradients)
    for mine, theirs in gradients:
        assert_close_in_scale(mine, theirs, scale=largest)


@pytest.mark.parametrize("name", ["bootmae", "cmae"])
def test_a_sharded_teacher_follows_its_sharded_student(name, mesh):
    plain = create(name, preset="tiny")
    with torch.no_grad():
        for parameter in plain.encoder.parameters():
            parameter.add_(100.0)  # BootMAE's teacher takes a ten-thousandth of it
    method, whole = copy.deepcopy(plain), copy.deepcopy(plain)
    shard(method, mesh=mesh)
    for each in (plain, method):
        each.update_teacher(progress=0.5)
    gather(method, into=whole)
    torch.testing.assert_close(dict(whole.state_dict()), dict(plain.state_dict()))


def test_every_block_is_whole_by_itself_and_every_weight_is_sharded(mesh):
    method = create("mae", preset="tiny")
    keys = list(method.state_dict())
    shard(method, mesh=mesh)
    assert all(isinstance(block, FSDPModule) for block in recomputable_blocks(method))
    assert len(recomputable_blocks(method)) == 3 + 2
    assert all(isinstance(parameter, DTensor) for parameter in method.parameters())
    assert list(method.state_dict()) == keys


def test_gathering_fills_an_ordinary_method(mesh):
    method = create("mae", preset="tiny")
    whole = create("mae", preset="tiny")
    expected = {name: value.clone() for name, value in method.state_dict().items()}
    shard(method, mesh=mesh)
    gather(method, into=whole)
    torch.testing.assert_close(dict(whole.state_dict()), expected, rtol=0, atol=0)
