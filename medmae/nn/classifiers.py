"""The classifier of an encoder: that of masked ViTs, or the one under which encoders of clouds are fine-tuned."""

from __future__ import annotations

from torch import nn

from medmae.nn.dgcnn import DGCNN
from medmae.nn.encoder import Encoder, Pool
from medmae.nn.heads import Classifier
from medmae.nn.point_heads import DGCNNClassifier, PointViTClassifier
from medmae.nn.point_vit import PointViT
from medmae.nn.vit import MaskedViT

CloudEncoder = PointViT | DGCNN


def classifier_of(
    encoder: Encoder, *, num_classes: int, pool: Pool = "mean", drop_path: float | None = None
) -> nn.Module:
    """What is fine-tuned: data ``(B, C, *size)`` -> logits ``(B, K)``, around the encoder itself, its ``encoder``.

    Args:
        encoder: A masked ViT, or one of clouds.
        num_classes: K.
        pool: Of a masked ViT, see :class:`medmae.nn.heads.Classifier`; those of clouds pool as their authors do.
        drop_path: Likewise.

    Raises:
        ValueError: If it is neither.
    """
    if isinstance(encoder, MaskedViT):
        return Classifier(encoder=encoder, num_classes=num_classes, pool=pool, drop_path=drop_path)
    if isinstance(encoder, PointViT):
        return PointViTClassifier(encoder=encoder, num_classes=num_classes)
    if isinstance(encoder, DGCNN):
        return DGCNNClassifier(encoder=encoder, num_classes=num_classes)
    raise ValueError(f"a {type(encoder).__name__} is not fine-tuned here: fine_tune=False")
