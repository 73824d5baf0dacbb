"""An encoder whose biases, norms and positions are not trivial."""

import pytest
import torch

from medmae.nn.vit import MaskedViT

SIZES = {"image_size": 32, "patch_size": 8, "in_channels": 1, "embed_dim": 48, "depth": 3, "num_heads": 4}


@pytest.fixture
def make():
    """Returns a function that builds one; arguments as :class:`MaskedViT`."""

    def build(**options):
        torch.manual_seed(1)
        encoder = MaskedViT(**{**SIZES, **options}).eval()
        for parameter in encoder.parameters():
            parameter.data.add_(0.1 * torch.randn_like(parameter))
        return encoder

    return build
