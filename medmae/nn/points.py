"""Clips as points of the space that they share with sentences, as a plain network."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor, nn
from torch.nn import functional as F

from medmae.nn.config import Configured
from medmae.nn.encoder import Encoder, Pool
from medmae.nn.frames import FrameEncoder
from medmae.nn.pair_head import PairHead
from medmae.nn.vit import MaskedViT


class HasTower(Protocol):
    """What is trained to find clips by something else."""

    @property
    def tower(self) -> nn.Module:
        """Clips ``(B, C, T, H, W)`` to points ``(B, D)``, of any length."""


class MeanTower(nn.Module):
    """The mean of a clip's tokens, and its norm.

    Args:
        encoder: Of clips.
        norm: Of the mean.
    """

    def __init__(self, encoder: MaskedViT, norm: nn.Module) -> None:
        super().__init__()
        self.encoder, self.norm = encoder, norm

    def forward(self, data: Tensor) -> Tensor:
        """``(B, C, T, H, W)`` -> ``(B, D)``."""
        return self.norm(self.encoder(data).mean(dim=1))


class FeatureTower(nn.Module):
    """The features of a clip, of an encoder of any kind; not for export.

    Args:
        encoder: Of clips;
        pool: of which tokens.
    """

    def __init__(self, encoder: Encoder, pool: Pool) -> None:
        super().__init__()
        self.encoder, self.pool = encoder, pool

    def forward(self, data: Tensor) -> Tensor:
        """``(B, C, T, H, W)`` -> ``(B, D)``."""
        found: Tensor = self.encoder.features(data, pool=self.pool)
        return found


class FrameTower(nn.Module):
    """The mean over frames of their projected class tokens, each of length 1; not for export.

    Args:
        frames: Encodes clips.
        head: Projects them.
    """

    def __init__(self, frames: FrameEncoder, head: PairHead) -> None:
        super().__init__()
        self.frames, self.head = frames, head

    def forward(self, data: Tensor) -> Tensor:
        """``(B, C, F, H, W)`` -> ``(B, P)``."""
        encoded = self.frames(self.frames.patchify(data))
        return self.head.of_frames(self.frames.timed(encoded.tokens)[:, :, 0])


class ClipPoints(Configured, nn.Module):
    """One tensor in, one tensor out; what a bundle calls ``network_def`` and ``models/model.pt`` holds.

    Args:
        method: That finds clips.
    """

    def __init__(self, method: HasTower) -> None:
        super().__init__()
        self.tower = method.tower

    def forward(self, data: Tensor) -> Tensor:
        """``(B, C, T, H, W)`` -> ``(B, D)`` of length 1."""
        return F.normalize(self.tower(data), dim=1)
