"""Parameter groups."""

from functools import partial

import pytest
import torch
from torch import nn

from medmae.methods.bootmae import bootmae_tiny
from medmae.methods.cmae import cmae_tiny
from medmae.methods.edge_mae import edge_mae_tiny
from medmae.methods.mae import mae_tiny
from medmae.methods.saim import saim_tiny
from medmae.methods.videomae import videomae_tiny
from medmae.nn.encoder import side_by_side
from medmae.training.optim import LARS, OptimizerSpec, layer_decay_groups, parameter_groups


def test_biases_and_norms_do_not_decay_but_tokens_do_as_in_the_mae_reference():
    method = mae_tiny()
    decayed, spared = parameter_groups(method, weight_decay=0.05)
    assert decayed["weight_decay"] == 0.05
    assert spared["weight_decay"] == 0.0
    assert any(p is method.encoder.cls_token for p in decayed["params"])
    assert any(p is method.decoder.mask_token for p in decayed["params"])
    assert all(p.ndim == 1 for p in spared["params"])


@pytest.mark.parametrize(
    ("make", "spared"),
    [
        (mae_tiny, set()),
        (edge_mae_tiny, set()),
        (saim_tiny, set()),
        (bootmae_tiny, {"encoder.cls_token"}),
        (cmae_tiny, {"encoder.cls_token", "decoder.mask_token", "features.decoder.mask_token"}),
        (partial(cmae_tiny, feature_depth=0), {"encoder.cls_token", "decoder.mask_token"}),
        (videomae_tiny, {"decoder.mask_token"}),
        (partial(videomae_tiny, positions="learned"), {"decoder.mask_token", "encoder.pos_embed"}),
    ],
)
def test_what_a_published_system_spares_from_weight_decay_is_spared(make, spared):
    method = make()
    optimizer = OptimizerSpec(weight_decay=0.05).build(method, batch_size=1)
    ids = {id(p) for group in optimizer.param_groups if not group["weight_decay"] for p in group["params"]}
    assert {name for name, p in method.named_parameters() if id(p) in ids and p.ndim > 1} == spared


def test_to_spare_what_a_method_does_not_have_is_refused():
    method = mae_tiny()
    method.no_weight_decay = frozenset({"mask_tokn"})
    with pytest.raises(ValueError, match="MAE has no mask_tokn to be spared"):
        parameter_groups(method, weight_decay=0.1)


def test_frozen_position_tables_are_in_no_group():
    method = mae_tiny()
    ids = {id(p) for group in parameter_groups(method, weight_decay=0.1) for p in group["params"]}
    assert id(method.encoder.pos_embed) not in ids
    assert len(ids) == sum(p.requires_grad for p in method.parameters())


def test_the_peak_rate_scales_with_the_effective_batch():
    assert OptimizerSpec(base_lr=1.5e-4).peak_lr(batch_size=4096) == 1.5e-4 * 16
    assert OptimizerSpec(base_lr=3e-3, scale_by_batch=False).peak_lr(batch_size=4096) == 3e-3


def test_sgd_has_a_momentum_and_falls_from_layer_to_layer_too():
    method = mae_tiny()
    spec = OptimizerSpec(name="sgd", base_lr=0.8, scale_by_batch=False, weight_decay=0.0)
    optimizer = spec.build(method, batch_size=64)
    assert isinstance(optimizer, torch.optim.SGD)
    assert {(group["lr"], group["momentum"], group["weight_decay"]) for group in optimizer.param_groups} == {
        (0.8, 0.9, 0.0)
    }
    with pytest.raises(ValueError, match="adam2"):
        OptimizerSpec(name="adam2")


def test_the_optimiser_is_fused():
    optimizer = OptimizerSpec().build(nn.Linear(2, 2), batch_size=256)
    assert optimizer.defaults["fused"] is True


def test_layer_decay_reaches_every_trainable_parameter_once():
    method = mae_tiny()
    groups = layer_decay_groups(method, method.encoder.layers(), layer_decay=0.75, weight_decay=0.05)
    names = [name for group in groups for name in group["names"]]
    assert sorted(names) == sorted(name for name, p in method.named_parameters() if p.requires_grad)


def test_several_encoders_end_at_the_same_layer_below_the_head():
    deep, flat = ([[nn.Parameter(torch.ones(1))] for _ in range(depth)] for depth in (3, 1))
    joined = side_by_side([deep, flat])
    assert [[id(p) for p in layer] for layer in joined] == [
        [id(deep[0][0])],
        [id(deep[1][0])],
        [id(deep[2][0]), id(flat[0][0])],
    ]
    alone = side_by_side([deep])
    assert [[id(p) for p in layer] for layer in alone] == [[id(p) for p in layer] for layer in deep]


def test_lars_leaves_a_zero_tensor_to_plain_momentum():
    weight = nn.Parameter(torch.zeros(2, 2))
    weight.grad = torch.ones(2, 2)
    LARS([weight], lr=0.1).step()
    assert torch.equal(weight.detach(), torch.full((2, 2), -0.1))
