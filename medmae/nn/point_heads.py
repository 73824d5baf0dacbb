"""Classifiers of clouds, as Point-MAE and MAE3D fine-tune theirs."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from medmae.nn.config import Configured
from medmae.nn.dgcnn import DGCNN
from medmae.nn.point_vit import PointViT
from medmae.nn.projector import SampleNorm


class CloudFeatures(Configured, nn.Module):
    """An encoder of clouds as a plain network: one tensor in, one tensor out; what a bundle calls ``network_def``.

    Args:
        encoder: To wrap.
    """

    def __init__(self, *, encoder: PointViT | DGCNN) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, data: Tensor) -> Tensor:
        """Clouds ``(B, 3, N)`` in their own unit -> features ``(B, D)``."""
        return self.encoder.features(data)


class PointViTClassifier(Configured, nn.Module):
    """Clouds ``(B, 3, N)`` -> logits ``(B, K)``: a class token and the greatest of all others, then three layers.

    Args:
        encoder: Trained or not; left in place.
        num_classes: K.
        hidden: Width between.
        dropout: Share of values that is dropped in training.
    """

    def __init__(self, *, encoder: PointViT, num_classes: int, hidden: int = 256, dropout: float = 0.5) -> None:
        super().__init__()
        self.encoder = encoder
        self.cls_token = nn.Parameter(torch.zeros(1, 1, encoder.dim))
        self.cls_place = nn.Parameter(torch.randn(1, 1, encoder.dim))
        nn.init.trunc_normal_(self.cls_token, std=0.02)
        nn.init.trunc_normal_(self.cls_place, std=0.02)
        self.head = nn.Sequential(
            nn.Linear(2 * encoder.dim, hidden),
            SampleNorm(hidden),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, hidden),
            SampleNorm(hidden),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, num_classes),
        )

    def forward(self, data: Tensor) -> Tensor:
        """See the class."""
        encoder = self.encoder
        rows, patches = encoder.cut({encoder.kind.name: data})
        tokens, places = encoder.embed(patches.around_centres(rows)), encoder.place(patches.centres)
        pairs = ((self.cls_token, tokens), (self.cls_place, places))
        tokens, places = (torch.cat([first.expand(len(rest), -1, -1), rest], dim=1) for first, rest in pairs)
        found = encoder.norm(encoder.blocks(tokens, places))  # (B, 1 + G, D)
        return self.head(torch.cat([found[:, 0], found[:, 1:].amax(dim=1)], dim=1))


class DGCNNClassifier(Configured, nn.Module):
    """Clouds ``(B, 3, N)`` -> logits ``(B, K)``: three layers over the greatest and the mean feature.

    Args:
        encoder: Trained or not; left in place.
        num_classes: K.
        dropout: Share of values that is dropped in training.
    """

    def __init__(self, *, encoder: DGCNN, num_classes: int, dropout: float = 0.5) -> None:
        super().__init__()
        self.encoder = encoder
        self.linear1 = nn.Linear(encoder.dim, 512, bias=False)
        self.linear2, self.linear3 = nn.Linear(512, 256), nn.Linear(256, num_classes)
        self.norm1, self.norm2, self.dropout = SampleNorm(512), SampleNorm(256), nn.Dropout(dropout)

    def forward(self, data: Tensor) -> Tensor:
        """See the class."""
        hidden = self.encoder.features(data)  # (B, 2 D)
        for linear, norm in ((self.linear1, self.norm1), (self.linear2, self.norm2)):
            hidden = self.dropout(F.leaky_relu(norm(linear(hidden)), 0.2))
        return self.linear3(hidden)
