"""Stochastic depth: now and then a sample passes by a branch of a block."""

from __future__ import annotations

from torch import Tensor, nn


class DropPath(nn.Module):
    """Leaves a residual branch out for each sample with probability ``drop_prob``, and scales it up where it stays.

    Source: Huang et al., "Deep Networks with Stochastic Depth", arXiv 1603.09382; per sample as timm has it.

    Args:
        drop_prob: 0 to below 1; only in training.
        rescale: False leaves branches that stay as they are (flax's in AV-MAE's fine-tuning), so that in training less
            comes through than in use.
    """

    def __init__(self, drop_prob: float, *, rescale: bool = True) -> None:
        super().__init__()
        self.drop_prob, self.rescale = drop_prob, rescale

    def forward(self, x: Tensor) -> Tensor:
        """``(B, ...)`` -> the same shape."""
        if not self.training:
            return x
        keep = 1 - self.drop_prob
        kept = x.new_empty((x.shape[0],) + (1,) * (x.ndim - 1)).bernoulli_(keep)  # (B, 1, ...)
        return x * (kept.div_(keep) if self.rescale else kept)
