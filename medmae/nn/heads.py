"""Heads: token -> patch values, encoder -> classes, encoder -> dense feature map; encoder and U-Net -> picture."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor, nn

from medmae.nn.blocks import set_drop_path
from medmae.nn.config import Configured
from medmae.nn.encoder import Pool
from medmae.nn.init import initialise_linears
from medmae.nn.vit import MaskedViT


class PatchHead(nn.Module):
    """LayerNorm and Linear from decoder tokens ``(B, M, D)`` to patch values ``(B, M, P)``.

    Args:
        dim: D.
        num_values: P.
        norm_eps: LayerNorm epsilon.
        sigmoid: Whether predictions pass through a sigmoid (Edge-MAE, whose targets lie in [0, 1]).
    """

    def __init__(self, *, dim: int, num_values: int, norm_eps: float = 1e-6, sigmoid: bool = False) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dim, eps=norm_eps)
        self.pred = nn.Linear(dim, num_values)
        self.sigmoid = sigmoid
        initialise_linears(self)

    def forward(self, tokens: Tensor) -> Tensor:
        """``(B, M, D)`` -> ``(B, M, P)``."""
        values = self.pred(self.norm(tokens))
        return values.float().sigmoid() if self.sigmoid else values  # of a logit in bfloat16, too, a fine picture


class Classifier(Configured, nn.Module):
    """The downstream classifier: pooled tokens, a norm, a linear layer.

    ``mean`` pools the last block's patch tokens and normalises with a fresh ``fc_norm`` (MAE: the class token is left
    out, the encoder's norm is dropped); ``all`` does so with every token, the class token too (MultiMAE).
    ``class_token`` takes that token after the encoder's pre-trained norm; an encoder without one gets ``fc_norm``.

    Args:
        encoder: Its positions should be trainable.
        num_classes: K.
        pool: Which of the three.
        dropout: Before the linear layer.
        drop_path: Stochastic depth of the encoder's last block; None keeps the encoder's own.

    Raises:
        ValueError: If the class token is asked for and there is none.
    """

    def __init__(
        self,
        *,
        encoder: MaskedViT,
        num_classes: int,
        pool: Pool = "mean",
        dropout: float = 0.0,
        drop_path: float | None = None,
    ) -> None:
        super().__init__()
        encoder.check_pool(pool)
        if drop_path is not None:
            set_drop_path(encoder.blocks, drop_path)
        self.encoder = encoder
        self.pool = pool
        self.fc_norm: nn.Module = nn.Identity()
        if pool != "class_token" or isinstance(encoder.norm, nn.Identity):
            # The reference drops the pre-trained norm here, so that counts and checkpoints have none.
            self.fc_norm = nn.LayerNorm(encoder.dim, eps=encoder.norm_eps)
            encoder.norm = nn.Identity()
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(encoder.dim, num_classes)
        nn.init.trunc_normal_(self.head.weight, std=2e-5)
        nn.init.zeros_(self.head.bias)

    def features(self, data: Tensor, visible: Tensor | None = None) -> Tensor:
        """``(B, C, *size)`` -> ``(B, D)``; of the tokens ``visible`` ``(B, V)`` alone, if they are given."""
        return self.fc_norm(self.encoder.pool(self.encoder(data, visible), self.pool))

    def forward(self, data: Tensor, visible: Tensor | None = None) -> Tensor:
        """``(B, C, *size)`` -> logits ``(B, K)``; ``visible`` as in :meth:`features`."""
        return self.head(self.dropout(self.features(data, visible)))


class FeatureMap(Configured, nn.Module):
    """The encoder as a plain network: one tensor in, one tensor out, no mask, no randomness.

    This is what a bundle calls ``network_def`` and what ``models/model.pt`` holds.

    Args:
        encoder: The encoder to wrap.
        use_class_token: False leaves the class token out of attention, as Edge-MAE does downstream.
    """

    def __init__(self, *, encoder: MaskedViT, use_class_token: bool = True) -> None:
        super().__init__()
        self.encoder = encoder
        self.grid = list(encoder.patches.grid)
        self.use_class_token = use_class_token

    def forward(self, data: Tensor) -> Tensor:
        """``(B, C, *size)`` -> dense features ``(B, D, *grid)``."""
        tokens = self.encoder(data, use_class_token=self.use_class_token)
        patches = self.encoder.patch_tokens(tokens, self.use_class_token)  # (B, N, D)
        return patches.transpose(1, 2).unflatten(2, self.grid)


class Synthesiser(Protocol):
    """What a synthesis method is made of."""

    @property
    def encoder(self) -> MaskedViT:
        """Reads a picture."""

    @property
    def contrasts(self) -> nn.Module | None:
        """Makes one row of tokens of those of several contrasts; None where there is one picture."""

    @property
    def encoder_view(self) -> nn.Module:
        """Makes of a picture what the encoder sees of it."""

    @property
    def unet(self) -> nn.Module:
        """Makes a picture of tokens, and of what was given if it looks at it."""


class SynthesisNetwork(Configured, nn.Module):
    """A synthesis method as a plain network: one tensor in, one tensor out, no randomness.

    This is what a bundle calls ``network_def`` and what ``models/model.pt`` holds.

    Args:
        method: Whose encoder and U-Net these are.
    """

    def __init__(self, method: Synthesiser) -> None:
        super().__init__()
        self.encoder = method.encoder
        self.contrasts = method.contrasts
        self.encoder_view = method.encoder_view
        self.unet = method.unet

    def forward(self, data: Tensor) -> Tensor:
        """A picture in, the synthetic one out.

        Args:
            data: ``(B, C, *size)`` in [0, 1]. Where a method takes any contrasts, those that are zero throughout are
                the missing ones.

        Returns:
            ``(B, 1, *size)`` in (0, 1); or ``(B, C, *size)``, what was given as it is and the missing ones synthesised.
        """
        if self.contrasts is None:
            return self.unet(self.encoder(self.encoder_view(data), use_class_token=False), data)
        given = data.flatten(2).ne(0).any(dim=2)  # (B, C)
        tokens = self.encoder(self.encoder_view(data)[given].unsqueeze(1), use_class_token=False)  # (K, N, D)
        return paste_given(self.unet(self.contrasts(tokens, given), only_given(data, given)), data, given)


def only_given(data: Tensor, given: Tensor) -> Tensor:
    """``(B, 2 C, *size)``: the channels of ``data`` that are ``given`` ``(B, C)``, 0 in the others, and which are."""
    there = given.reshape(given.shape + (1,) * (data.ndim - 2)).expand_as(data)
    return torch.cat([torch.where(there, data, 0.0), there.to(data.dtype)], dim=1)


def paste_given(picture: Tensor, data: Tensor, given: Tensor) -> Tensor:
    """``picture``, but ``data`` in the channels that are ``given`` ``(B, C)``."""
    shape = given.shape + (1,) * (data.ndim - 2)
    return torch.where(given.reshape(shape), data, picture)


def pooled(features: Tensor) -> Tensor:
    """Mean over the grid of a feature map ``(B, D, *grid)``: ``(B, D)``."""
    return torch.flatten(features, 2).mean(dim=2)
