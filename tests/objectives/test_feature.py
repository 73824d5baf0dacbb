"""Feature consistency."""

from __future__ import annotations

import pytest
import torch
from torch.testing import assert_close

from medmae.nn.vit import MaskedViT
from medmae.objectives.feature import feature_consistency


@pytest.fixture
def encoder():
    torch.manual_seed(0)
    sizes = {"image_size": 16, "patch_size": 8, "in_channels": 1, "embed_dim": 16, "depth": 3, "num_heads": 2}
    return MaskedViT(**sizes, norm_eps=1e-5).requires_grad_(False)


@pytest.fixture
def pictures():
    return torch.rand(2, 2, 1, 16, 16, generator=torch.Generator().manual_seed(0))


def test_it_is_nothing_for_equal_pictures_and_more_for_others(encoder, pictures):
    assert feature_consistency(encoder, pictures[0], pictures[0]) == 0
    assert feature_consistency(encoder, pictures[0], pictures[1]) > 0


def test_it_sums_the_mean_differences_of_as_many_stages_as_there_are_blocks(encoder, pictures):
    stages = [encoder.forward_intermediates(encoder.patches.patchify(p), use_class_token=False) for p in pictures]
    means = [(one - two).abs().mean() for one, two in zip(*stages, strict=True)]
    assert len(means) == 5  # embedding, three blocks, norm
    assert_close(feature_consistency(encoder, *pictures), sum(means[:3]))


def test_the_last_block_and_the_norm_are_not_computed(encoder, pictures):
    for part in (encoder.blocks[-1], encoder.norm):
        part.register_forward_hook(lambda *_: pytest.fail("computed"))
    feature_consistency(encoder, *pictures)


def test_no_class_token_takes_part(encoder, pictures):
    before = feature_consistency(encoder, *pictures)
    torch.nn.init.constant_(encoder.cls_token, 5.0)
    assert torch.equal(feature_consistency(encoder, *pictures), before)


def test_the_gradient_reaches_the_prediction_alone(encoder, pictures):
    prediction, target = (picture.clone().requires_grad_() for picture in pictures)
    feature_consistency(encoder, prediction, target).backward()
    assert prediction.grad.abs().amin() >= 0
    assert prediction.grad.flatten(1).any(dim=1).all()
    assert target.grad is None
    assert all(parameter.grad is None for parameter in encoder.parameters())


def test_volumes_are_compared_alike():
    sizes = {"image_size": (4, 8, 8), "patch_size": 4, "in_channels": 1, "embed_dim": 12, "depth": 2, "num_heads": 2}
    encoder = MaskedViT(**sizes).requires_grad_(False)
    pictures = torch.rand(2, 1, 1, 4, 8, 8)
    assert feature_consistency(encoder, *pictures) > 0
