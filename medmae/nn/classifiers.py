"""The classifier of an encoder: that of masked ViTs, or the one that an encoder of another kind brings."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from torch import nn

from medmae.nn.encoder import Encoder, Pool
from medmae.nn.heads import Classifier
from medmae.nn.vit import MaskedViT


@runtime_checkable
class BringsClassifier(Protocol):
    """An encoder, of one kind of data, that is fine-tuned under a head of its own."""

    example: tuple[int, ...]

    def classifier(self, *, num_classes: int) -> nn.Module:
        """Data ``(B, C, *size)`` in its own units -> logits ``(B, K)``; this encoder is its ``encoder``."""


def classifier_of(
    encoder: Encoder, *, num_classes: int, pool: Pool = "mean", drop_path: float | None = None
) -> nn.Module:
    """What is fine-tuned: data ``(B, C, *size)`` -> logits ``(B, K)``, around the encoder itself.

    Args:
        encoder: A masked ViT, or one that brings its classifier.
        num_classes: K.
        pool: Of a masked ViT, see :class:`medmae.nn.heads.Classifier`; others pool as they do.
        drop_path: Likewise.

    Raises:
        ValueError: If it is neither.
    """
    if isinstance(encoder, MaskedViT):
        return Classifier(encoder=encoder, num_classes=num_classes, pool=pool, drop_path=drop_path)
    if isinstance(encoder, BringsClassifier):
        return encoder.classifier(num_classes=num_classes)
    raise ValueError(f"a {type(encoder).__name__} is not fine-tuned here: fine_tune=False")
