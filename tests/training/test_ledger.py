"""Costs read from a method's parts beside counted ones."""

from __future__ import annotations

import pytest
import torch

from medmae.methods.bootmae import BootMAE, bootmae_small_images, bootmae_tiny
from medmae.methods.cmae import cmae_small_images, cmae_tiny
from medmae.methods.edge_mae import edge_mae_tiny
from medmae.methods.mae import mae_tiny
from medmae.methods.mt_unet import mt_unet_tiny
from medmae.methods.saim import SAIM, saim_small_images, saim_tiny
from medmae.nn.checkpointing import checkpoint_activations
from medmae.training.cost import step_flops
from medmae.training.ledger import ledger, ledger_flops
from medmae.training.measure import count_flops
from medmae.training.sizes import Sizes


def odd_heads(**options):
    """A decoder whose heads do not tile its width."""
    return bootmae_tiny(num_heads=12, decoder_dim=40, decoder_depth=3, **options)


def volume(**options):
    sizes = {"image_size": (16, 24, 32), "patch_size": 8, "in_channels": 1, "embed_dim": 48, "depth": 3}
    return BootMAE(**{**sizes, "num_heads": 4, "decoder_dim": 30, **options})


def pixels_only(**options):
    return bootmae_tiny(feature_weight=0.0, **options)


def without_injection(**options):
    return bootmae_tiny(pixel_tap=None, feature_tap=None, **options)


def one_feature_block(**options):
    return cmae_tiny(feature_depth=1, decoder_depth=3, projector_dim=200, **options)


def few_queries(**options):
    """A linear head, and queries that run through the encoder's own blocks."""
    return saim_tiny(query_depth=2, share_weights=True, head="linear", **options)


def saim_volume(**options):
    sizes = {"image_size": (16, 24, 32), "patch_size": 8, "in_channels": 1, "embed_dim": 48, "depth": 2}
    return SAIM(**{**sizes, "num_heads": 4, "query_depth": 2, "smoothing": None, **options})


BOOTMAE = [bootmae_tiny, bootmae_small_images, odd_heads, volume, pixels_only, without_injection]
SAIMS = [saim_tiny, saim_small_images, few_queries, saim_volume]
MAKERS = [*BOOTMAE, cmae_tiny, cmae_small_images, one_feature_block, mae_tiny, *SAIMS]


@pytest.mark.parametrize("maker", MAKERS, ids=lambda maker: maker.__name__)
def test_flops_of_a_step_are_as_predicted(maker):
    method = maker()
    counted = count_flops(method, method.example_batch(2))
    assert ledger_flops(method, batch=2) == pytest.approx(counted, rel=1e-3)


@pytest.mark.parametrize("maker", [odd_heads, cmae_tiny, mae_tiny, few_queries], ids=lambda maker: maker.__name__)
def test_flops_of_a_step_that_recomputes_are_as_predicted(maker):
    method = maker(mask_ratio=0.5)
    checkpoint_activations(method)
    counted = count_flops(method, method.example_batch(2))
    assert ledger_flops(method, batch=2, checkpointing=True) == pytest.approx(counted, rel=1e-3)


def test_both_ways_to_predict_agree():
    method = mae_tiny()
    for checkpointing in (False, True):
        sizes = step_flops(Sizes.of(method), batch=3, checkpointing=checkpointing)
        assert ledger_flops(method, batch=3, checkpointing=checkpointing) == sizes


def test_the_teacher_is_a_forward_pass_over_the_whole_image():
    parts = ledger(bootmae_tiny())
    assert parts.keys() == {
        *("encoder", "pixel_decoder", "pixel_head", "feature_decoder", "feature_head", "teacher"),
    }
    teacher = parts["teacher"]
    assert (teacher.linear, teacher.attention, teacher.redone) == (0, 0, 0)
    whole = ledger(bootmae_tiny(mask_ratio=1 / 16))["encoder"]  # all tokens but one
    assert teacher.fixed == pytest.approx(whole.linear + whole.attention + whole.leaf, rel=0.1)


def test_a_part_of_unknown_cost_is_refused():
    method = bootmae_tiny()
    method.another = torch.nn.Linear(2, 2)
    with pytest.raises(ValueError, match="the cost of a Linear is not known"):
        ledger(method)


def test_a_method_that_hides_nothing_is_refused():
    with pytest.raises(ValueError, match="it hides no tokens"):
        ledger(mt_unet_tiny())


def test_a_loss_on_edges_is_not_counted_here():
    with pytest.raises(ValueError, match="the cost of a SobelEdges is not known"):
        ledger(edge_mae_tiny())
