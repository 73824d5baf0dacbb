"""Fewer tokens from block to block: those that the class token reads least become one.

Liang et al., "Not All Patches Are What You Need: Expediting Vision Transformers via Token Reorganizations" (EViT),
ICLR 2022, arXiv 2202.07800, section 3.2; reference youweiliang/evit (5ca95a7).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from medmae.masking.base import gather_tokens


class Thinning:
    """What a block does between attention and MLP; see :meth:`medmae.nn.blocks.Block.forward`.

    Tokens are ``(B, 1 + n, D)``, the class token first. Of the n others ``keep`` are kept, in descending order of
    importance, and the rest becomes one token behind them: their sum, weighted by importance. The class token is never
    dropped; a fused token of a block before is one of the n.

    Args:
        places: What each of the n is, ``(B, n)`` int64: its number among those that there were at first.
        keep: How many of them are kept; n leaves all as they are.
        fuse: False drops the rest without a trace.
        weigh: The fused token is a mean, weights divided by their sum, and not a sum as in EViT.
        nowhere: Number that a fused token gets.

    Attributes:
        left: As ``places``, of what is left behind the class token, once a block has run.
    """

    def __init__(self, places: Tensor, *, keep: int, nowhere: int, fuse: bool = True, weigh: bool = False) -> None:
        self.places, self.keep, self.nowhere, self.fuse, self.weigh = places, keep, nowhere, fuse, weigh
        self.left = places

    def __call__(self, tokens: Tensor, importance: Tensor) -> Tensor:
        """``(B, 1 + n, D)`` and ``(B, n)`` -> ``(B, 1 + keep, D)``, and one more where the rest is fused."""
        if self.keep == importance.shape[1]:
            return tokens
        order = importance.argsort(dim=1, descending=True, stable=True)  # (B, n)
        kept, dropped = order[:, : self.keep], order[:, self.keep :]
        others, self.left = tokens[:, 1:], self.places.gather(1, kept)
        parts = [tokens[:, :1], gather_tokens(others, kept)]
        if self.fuse:
            weight = importance.gather(1, dropped)  # (B, n - keep)
            if self.weigh:
                weight = weight / weight.sum(dim=1, keepdim=True)
            rest = gather_tokens(others, dropped)
            parts.append(weight.to(rest.dtype).unsqueeze(1) @ rest)
            self.left = torch.cat([self.left, torch.full_like(self.left[:, :1], self.nowhere)], dim=1)
        return torch.cat(parts, dim=1)


def kept_count(*, num_tokens: int, rate: float) -> int:
    """Tokens that are kept of so many, rounded up as in EViT."""
    return math.ceil(rate * num_tokens - 1e-9)  # 0.7 * 10 is a little more than 7


def warmed(rate: float, *, progress: float, warmup: float, step: float = 0.05) -> float:
    """A keep rate that falls from 1 along a cosine during the first part of training.

    It falls in steps, so that a compiled step has few forms.

    Args:
        rate: At the end.
        progress: Share of training that is done.
        warmup: Share during which it falls; 0: from the start it is what it is.
        step: Of the rate.
    """
    if not warmup or progress >= warmup:  # asked for in this order, a compiled step without warmup follows no progress
        return rate
    falling = rate + (1 - rate) * (1 + math.cos(math.pi * progress / warmup)) / 2
    return max(rate, math.ceil(falling / step - 1e-9) * step)
