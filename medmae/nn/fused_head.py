"""A classifier of several kinds of data that were fused, or of one of them alone (MAViL's fine-tuning)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from medmae.nn.blocks import set_drop_path
from medmae.nn.config import Configured
from medmae.nn.fused_encoder import FusedEncoder
from medmae.nn.kind_trunk import KindTrunk
from medmae.tokens.modalities import THERE


class FusedClassifier(Configured, nn.Module):
    """Means of patch tokens of each kind, side by side, normalised, through a layer: logits ``(B, K)``.

    Args:
        encoder: Trained or not; left in place.
        num_classes: K.
        only: Reads this kind alone, by its own blocks, and by those of all kinds where these have norms for it: no
            weight of another kind is touched. None reads all kinds, which every sample must have.
        drop_path: Stochastic depth of the last blocks, of each kind's own and of the fused ones.
    """

    def __init__(
        self, *, encoder: FusedEncoder, num_classes: int, only: str | None = None, drop_path: float = 0.0
    ) -> None:
        super().__init__()
        if only is not None and only not in encoder.vits:
            raise ValueError(f"the encoder takes {', '.join(encoder.vits)}, and not {only!r}")
        self.encoder, self.only = encoder, only
        for vit in encoder.vits.values():
            set_drop_path(vit.blocks, drop_path)
        if encoder.trunk is not None:
            set_drop_path(encoder.trunk.blocks, drop_path)
        width = encoder.dim * (1 if only else len(encoder.vits))
        self.norm = nn.LayerNorm(width, eps=encoder.norm_eps)
        self.head = nn.Linear(width, num_classes)
        nn.init.trunc_normal_(self.head.weight, std=2e-5)
        nn.init.zeros_(self.head.bias)

    @property
    def choices(self) -> list[tuple[str, ...]]:
        """Kinds of which it says something when it is given no others: all, or the one that it reads."""
        return [(self.only,) if self.only else tuple(self.encoder.vits)]

    def pooled(self, batch: Mapping[str, Tensor]) -> Tensor:
        """``(B, D)``, or ``(B, kinds * D)``, normalised.

        Raises:
            ValueError: If a sample lacks a kind that is read.
        """
        names = [self.only] if self.only else list(self.encoder.vits)
        read = {*names, *(name + THERE for name in names), "available"}
        given = self.encoder.given({name: value for name, value in batch.items() if name in read})
        if lacking := [name for name in names if name not in given.rows or given.there[name] is not None]:
            raise ValueError(f"samples lack {', '.join(lacking)}: read the other kind alone, only=...")
        tokens = self.encoder.apart(given)
        if self.only is None or isinstance(self.encoder.trunk, KindTrunk):
            tokens = self.encoder.fuse(tokens, given)
        means = [self.encoder.vits[name].pool(tokens[name], "mean") for name in names]
        return self.norm(torch.cat(means, dim=1))

    def forward(self, batch: Mapping[str, Tensor]) -> Tensor:
        """See the class."""
        return self.head(self.pooled(batch))
