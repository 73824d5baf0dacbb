"""Predicted costs beside counted ones."""

from __future__ import annotations

import pytest
import torch

from medmae.methods.cmae import cmae_tiny
from medmae.methods.edge_mae import edge_mae_demo, edge_mae_tiny
from medmae.methods.mae import MAE, mae_base, mae_tiny
from medmae.nn.checkpointing import checkpoint_activations
from medmae.training.cost import parameters, step_flops
from medmae.training.measure import count_flops, count_saved_bytes
from medmae.training.memory import memory, saved_bytes
from medmae.training.sizes import Sizes


def small_vit(**options):
    """ViT-S/16 at 96 px."""
    sizes = {"image_size": 96, "embed_dim": 384, "depth": 12, "num_heads": 6}
    return MAE(**{**sizes, **options})


def volume(**options):
    sizes = {"image_size": (32, 48, 48), "patch_size": 8, "in_channels": 1, "embed_dim": 96, "depth": 4}
    return MAE(**{**sizes, "num_heads": 6, "decoder_dim": 64, "decoder_depth": 3, "decoder_heads": 4, **options})


def contrasts(**options):
    return edge_mae_tiny(num_contrasts=4, **options)


MAKERS = [mae_tiny, small_vit, volume, edge_mae_tiny, contrasts]
CASES = [(maker, ratio) for maker in MAKERS for ratio in (0.5, 0.75, 0.9) if maker is not small_vit or ratio == 0.75]
cases = pytest.mark.parametrize(("maker", "ratio"), CASES, ids=[f"{m.__name__}-{r}" for m, r in CASES])


@cases
@pytest.mark.parametrize("checkpointing", [False, True], ids=["kept", "recomputed"])
def test_flops_and_kept_bytes_of_a_step_are_as_predicted(maker, ratio, checkpointing):
    method = maker(mask_ratio=ratio)
    if checkpointing:
        checkpoint_activations(method)
    sizes, batch = Sizes.of(method), method.example_batch(2)
    flops, saved = count_flops(method, batch), count_saved_bytes(method, batch)
    assert step_flops(sizes, batch=2, checkpointing=checkpointing) == pytest.approx(flops, rel=1e-3)
    assert saved_bytes(sizes, batch=2, checkpointing=checkpointing) == pytest.approx(saved, rel=0.01)


@pytest.mark.parametrize("maker", [*MAKERS, edge_mae_demo, mae_base], ids=lambda maker: maker.__name__)
def test_parameters_are_predicted_exactly(maker):
    method = maker()
    count = parameters(Sizes.of(method))
    assert count.trainable == sum(p.numel() for p in method.parameters() if p.requires_grad)
    assert count.frozen == sum(p.numel() for p in method.parameters() if not p.requires_grad)


@pytest.mark.parametrize(("place", "expected"), [("last", 0), ("none", 0), ("first", 1)])
def test_the_class_token_is_counted_wherever_it_stands(place, expected):
    method = mae_tiny(class_token=place)
    sizes, batch = Sizes.of(method), method.example_batch(2)
    assert sizes.class_positions == expected
    assert sum(vars(parameters(sizes)).values()) == sum(p.numel() for p in method.parameters())
    assert step_flops(sizes, batch=2) == count_flops(method, batch)


def test_another_ratio_is_that_of_a_method_with_it():
    assert Sizes.of(mae_tiny(mask_ratio=0.75)).with_ratio(0.5) == Sizes.of(mae_tiny(mask_ratio=0.5))


def test_memory_adds_up_and_shards_share_what_belongs_to_weights():
    sizes = Sizes.of(small_vit())
    trainable = parameters(sizes).trainable
    alone, shared = memory(sizes, batch=8), memory(sizes, batch=8, shards=8)
    assert alone.optimiser == 2 * alone.gradients == 8 * trainable
    assert alone.total == sum(vars(alone).values())
    assert shared.optimiser == alone.optimiser // 8
    assert shared.activations == alone.activations
    assert shared.weights < alone.weights / 2
    assert memory(sizes, batch=8, precision="bf16-mixed").activations < 0.6 * alone.activations


def test_a_precision_of_unknown_cost_is_refused():
    with pytest.raises(ValueError, match="precision"):
        memory(Sizes.of(mae_tiny()), batch=1, precision="16-true")


def test_a_decoder_of_unknown_cost_is_refused():
    method = mae_tiny()
    method.decoder = None
    with pytest.raises(ValueError, match="the cost of MAE is not known"):
        Sizes.of(method)


def test_blocks_beside_encoder_and_decoder_are_refused():
    with pytest.raises(ValueError, match=r"the cost of CMAE is not known here: see medmae\.training\.ledger"):
        Sizes.of(cmae_tiny())


def test_blocks_of_unknown_cost_are_refused():
    method = mae_tiny()
    method.decoder.blocks[0] = torch.nn.Identity()
    with pytest.raises(ValueError, match=r"costs are known for Block only, got \['Block', 'Identity'\]"):
        Sizes.of(method)
