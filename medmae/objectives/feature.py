"""Feature consistency: pictures agree where a frozen encoder sees the same in them (MT-Net, IEEE TMI 2023)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from medmae.nn.vit import MaskedViT


def feature_consistency(encoder: MaskedViT, prediction: Tensor, target: Tensor) -> Tensor:
    """Sum, over the embedding and all blocks but the last, of the mean absolute difference of features.

    As in the published code the sum is not weighted, and the last block and the final norm, of which it has the
    features, too, are not compared; here they are not computed. No class token takes part.

    Args:
        encoder: Frozen; a gradient flows through it into ``prediction`` alone.
        prediction: ``(B, C, *size)``.
        target: ``(B, C, *size)``.
    """
    with torch.no_grad():
        wanted = _features(encoder, target)
    pairs = zip(_features(encoder, prediction), wanted, strict=True)
    return torch.stack([F.l1_loss(found, right) for found, right in pairs]).sum()


def _features(encoder: MaskedViT, data: Tensor) -> list[Tensor]:
    """``depth`` tensors ``(B, N, D)``."""
    data = data.to(encoder.patch_embed.proj.weight.dtype)  # a picture is float32 whatever the weights are
    rows, last = encoder.patchify(data), len(encoder.blocks) - 1
    return encoder.forward_intermediates(rows, use_class_token=False, num_blocks=last)
