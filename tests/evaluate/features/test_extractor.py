"""Frozen features of the whole encoder, or of its first blocks."""

import pytest
import torch
from torch.nn import functional as F

from medmae.evaluate.features.extractor import FeatureExtractor
from medmae.methods.mae import mae_tiny


@pytest.mark.parametrize("pool", ["mean", "class_token"])
def test_features_after_some_blocks_are_those_of_an_encoder_that_ends_there(pool):
    images, encoder = torch.rand(2, 3, 32, 32), mae_tiny().encoder
    short = mae_tiny(depth=2).encoder
    short.load_state_dict(encoder.state_dict(), strict=False)
    tokens = short(images, final_norm=False).detach()
    features = tokens[:, 1:].mean(dim=1) if pool == "mean" else tokens[:, 0]
    got = FeatureExtractor(encoder=encoder, pool=pool, block=2)(images)
    torch.testing.assert_close(got, F.layer_norm(features, features.shape[1:], eps=1e-6))


def test_features_of_other_blocks_are_not_taken_for_the_same():
    encoder = mae_tiny().encoder
    made = [FeatureExtractor(encoder=encoder, block=count) for count in (None, 1, 2, 3)]
    assert len({each.sha256 for each in made}) == 1
    assert len({each.probe_sha256 for each in made}) == 4  # embeddings are stored by both


@pytest.mark.parametrize("block", [0, 4])
def test_blocks_that_an_encoder_does_not_have_are_refused(block):
    with pytest.raises(ValueError, match=f"block must lie in 1 to 3, .* got {block}"):
        FeatureExtractor(encoder=mae_tiny().encoder, block=block)
