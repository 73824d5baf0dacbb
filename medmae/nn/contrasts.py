"""Tokens of several contrasts of one anatomy, as one row of tokens."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class ContrastMean(nn.Module):
    """Adds a learned embedding of its contrast to the tokens of each, and takes the mean over those that are given.

    Args:
        num_contrasts: C.
        dim: D.
    """

    def __init__(self, *, num_contrasts: int, dim: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(num_contrasts, dim))
        nn.init.normal_(self.weight, std=0.02)

    def forward(self, tokens: Tensor, given: Tensor) -> Tensor:
        """Mean of what is given.

        Args:
            tokens: Of each contrast that is given, ``(K, N, D)``, in the order of ``given``, row by row.
            given: ``(B, C)`` bool with K True ones, at least one in each row.

        Returns:
            ``(B, N, D)``.
        """
        sample, contrast = torch.nonzero(given).unbind(1)  # (K,) each
        share = 1.0 / given.sum(dim=1).index_select(0, sample)  # (K,)
        tokens = (tokens + self.weight.index_select(0, contrast).unsqueeze(1)) * share.view(-1, 1, 1)
        total = torch.zeros(given.shape[0], tokens.shape[1], tokens.shape[2], dtype=tokens.dtype, device=tokens.device)
        return total.index_add(0, sample, tokens)
