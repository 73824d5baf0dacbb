"""Attentive probe: a frozen encoder's tokens, pooled by attention that is learnt, and a linear layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from medmae.evaluate.classify.folds import Fold
from medmae.evaluate.classify.task import Task, trainable
from medmae.nn.seeding import drawn_by
from medmae.training.by_epoch import epoch_batches, take_step
from medmae.training.schedule import WarmupCosine


class AttentivePool(nn.Module):
    """One row a sample of its tokens: a query that is learnt attends to them all, after a norm.

    Args:
        dim: D, of the tokens.
        outputs: K.
        num_heads: Must divide D.
    """

    def __init__(self, *, dim: int, outputs: int, num_heads: int) -> None:
        super().__init__()
        self.norm, self.heads = nn.LayerNorm(dim), num_heads
        self.query = nn.Parameter(torch.empty(dim))
        self.key_value, self.head = nn.Linear(dim, 2 * dim), nn.Linear(dim, outputs)
        nn.init.trunc_normal_(self.query, std=0.02)
        for layer in (self.key_value, self.head):
            nn.init.trunc_normal_(layer.weight, std=0.02)
            nn.init.zeros_(layer.bias)

    def forward(self, tokens: Tensor) -> Tensor:
        """``(B, N, D)`` -> ``(B, K)``."""
        packed = self.key_value(self.norm(tokens)).unflatten(2, (2, self.heads, -1))  # (B, N, 2, H, d)
        key, value = packed.permute(2, 0, 3, 1, 4)  # (B, H, N, d) each
        query = self.query.reshape(1, self.heads, 1, -1).expand(len(tokens), -1, -1, -1)  # (B, H, 1, d)
        return self.head(F.scaled_dot_product_attention(query, key, value).flatten(1))


@dataclass(frozen=True, kw_only=True)
class AttentiveProbe:
    """``probe(fold, targets, ...)``: predictions by :class:`AttentivePool` on tokens that were computed once.

    What a mean over tokens cannot see, such as where in a clip something happens, attention can: the protocol of
    A. Bardes et al., arXiv 2404.08471, for frozen video encoders. AdamW, linear warm-up, cosine; the last epoch counts.

    Args:
        tokens: Of each sample, ``(P, D)``; of one of several views ``(V * P, D)``.
        num_heads: Of the attention; lowered to what divides D.
        lr: Peak rate.
        weight_decay: AdamW's.
        epochs: Passes over the training samples.
        warmup_epochs: Of these.
        batch_size: Samples a step.
        device: Where to compute.
    """

    tokens: Sequence[np.ndarray]
    num_heads: int = 8
    lr: float = 1e-3
    weight_decay: float = 0.01
    epochs: int = 30
    warmup_epochs: float = 3.0
    batch_size: int = 32
    device: torch.device | str = "cpu"

    def __call__(self, fold: Fold, targets: np.ndarray, *, task: Task, seed: int) -> np.ndarray:
        """Predictions of the fold's test samples ``(len(fold.test), K)``; ``fold.val`` is not used."""
        learnt, dim = trainable(task).fitted(targets[fold.train]), self.tokens[0].shape[1]
        heads = max(count for count in range(1, self.num_heads + 1) if dim % count == 0)
        generator = torch.Generator().manual_seed(seed)
        with drawn_by(seed, device=self.device):
            pool = AttentivePool(dim=dim, outputs=learnt.outputs, num_heads=heads).to(self.device)
        optimizer = torch.optim.AdamW(pool.parameters(), lr=0.0, weight_decay=self.weight_decay)
        for epoch in range(self.epochs):
            batches = epoch_batches(
                fold.train,
                epoch=epoch,
                epochs=self.epochs,
                batch_size=self.batch_size,
                optimizer=optimizer,
                schedule=WarmupCosine(warmup_epochs=self.warmup_epochs),
                peak=self.lr,
                generator=generator,
            )
            for batch in batches:
                wanted = learnt.tensor(targets[batch]).to(self.device)
                take_step(optimizer, learnt.loss(pool(self._rows(batch)), wanted))
        with torch.no_grad():
            parts = np.array_split(fold.test, -(-len(fold.test) // self.batch_size))
            outputs = [pool.eval()(self._rows(part)).cpu() for part in parts]
        return learnt.link(torch.cat(outputs)).numpy()

    def _rows(self, places: np.ndarray) -> Tensor:
        return torch.from_numpy(np.stack([self.tokens[place] for place in places])).float().to(self.device)
