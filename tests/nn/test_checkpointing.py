"""Recomputation changes what is kept, and nothing else."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from medmae.methods.registry import create
from medmae.nn.checkpointing import checkpoint_activations, recomputable_blocks
from medmae.nn.heads import FeatureMap
from medmae.nn.vit import MaskedViT


def step(method):
    """Loss, gradients by name, and the bytes that autograd kept for the backward pass (each storage once)."""
    batch = method.example_batch(2, generator=torch.Generator().manual_seed(1))
    own = {p.untyped_storage().data_ptr() for p in method.parameters()}
    kept: dict[int, int] = {}
    alive = []  # or an address could be given out twice

    def keep(tensor):
        storage = tensor.untyped_storage()
        alive.append(tensor)
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        loss = method(batch, generator=torch.Generator().manual_seed(2)).loss
    kept_bytes = sum(kept.values())
    method.zero_grad()
    loss.backward()
    gradients = {name: p.grad.clone() for name, p in method.named_parameters() if p.grad is not None}
    return loss.detach(), gradients, kept_bytes


@pytest.mark.parametrize("name", ["mae", "edge_mae", "mt_unet", "saim"])
def test_loss_and_gradients_are_the_same_bit_for_bit_and_less_is_kept(name):
    torch.manual_seed(0)
    method = create(name, preset="tiny")
    loss, gradients, kept = step(method)
    checkpoint_activations(method)
    again, recomputed, less = step(method)
    assert torch.equal(again, loss)
    assert recomputed.keys() == gradients.keys()
    assert all(torch.equal(recomputed[key], value) for key, value in gradients.items())
    assert less < 0.45 * kept


def test_blocks_of_encoder_and_decoder_are_switched_on_and_off_again():
    method = create("mae", preset="tiny")
    _, _, kept = step(method)
    assert checkpoint_activations(method) == 3 + 2
    checkpoint_activations(method, enabled=False)
    assert step(method)[2] == kept


def test_keys_and_copies_stay_as_they_were():
    method = create("mae", preset="tiny")
    keys = list(method.state_dict())
    checkpoint_activations(method)
    assert list(method.state_dict()) == keys
    twin = copy.deepcopy(method)
    nn.init.zeros_(twin.encoder.blocks[0].norm1.weight)
    nn.init.zeros_(twin.encoder.blocks[0].norm2.weight)
    assert not torch.equal(step(twin)[0], step(method)[0])


def test_drop_path_draws_the_same_paths_again():
    torch.manual_seed(0)
    encoder = MaskedViT(image_size=16, patch_size=8, embed_dim=16, depth=4, num_heads=2, drop_path=0.5)
    gradients = []
    for enabled in (False, True):
        checkpoint_activations(encoder, enabled=enabled)
        torch.manual_seed(3)
        encoder.zero_grad()
        encoder(torch.ones(4, 3, 16, 16)).square().sum().backward()
        gradients.append(encoder.patch_embed.proj.weight.grad.clone())
    assert torch.equal(*gradients)


def test_nothing_is_recomputed_without_gradients(monkeypatch):
    method = create("mae", preset="tiny")
    checkpoint_activations(method)
    monkeypatch.setattr("medmae.nn.checkpointing.checkpoint", lambda *_, **__: pytest.fail("recomputed"))
    with torch.no_grad():
        method(method.example_batch())


def test_the_encoder_still_compiles_to_torchscript():
    network = FeatureMap(encoder=create("mae", preset="tiny").encoder).eval()
    data = torch.rand(1, 3, 32, 32)
    expected = network(data)
    checkpoint_activations(network)
    with torch.no_grad():
        torch.testing.assert_close(torch.jit.script(network)(data), expected)


def test_a_module_without_blocks_is_refused():
    with pytest.raises(ValueError, match="Linear has no transformer block"):
        checkpoint_activations(nn.Linear(2, 2))
    assert recomputable_blocks(nn.Linear(2, 2)) == []
