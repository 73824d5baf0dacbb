"""Shares by which samples and their labels are mixed (H. Zhang et al., "mixup", arXiv 1710.09412)."""

from __future__ import annotations

import torch
from scipy.special import betaincinv


def beta_share(alpha: float, generator: torch.Generator | None) -> float:
    """A draw of Beta(alpha, alpha), by inverse transform: torch's own distribution takes no generator."""
    return float(betaincinv(alpha, alpha, float(torch.rand((), generator=generator, dtype=torch.float64))))
