"""Activation checkpointing: keep what enters a block, and compute its inside again in the backward pass.

Chen et al., Training Deep Nets with Sublinear Memory Cost, arXiv 1604.06174. About a quarter more arithmetic buys a
fraction of the memory (docs/scale.md has the figures). Values and gradients stay what they were.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint


def checkpoint_activations(module: nn.Module, *, enabled: bool = True) -> int:
    """Switches recomputation on (or off) for every transformer block below ``module``.

    A flag, not a wrapper: keys of the state dict, copies of the module and its export stay as they were.

    Returns:
        The number of blocks.

    Raises:
        ValueError: If there is no block.
    """
    blocks = recomputable_blocks(module)
    if not blocks:
        raise ValueError(f"{type(module).__name__} has no transformer block whose activations could be recomputed")
    for block in blocks:
        block.recompute = enabled  # type: ignore[assignment]
    return len(blocks)


def recomputable_blocks(module: nn.Module) -> list[nn.Module]:
    """Every block below ``module``, in order: the units of recomputation and of sharding."""
    return [child for child in module.modules() if hasattr(child, "recompute")]


def recomputed(block: nn.Module, function: Callable[..., Tensor], *inputs: Any) -> Tensor:
    """``function(*inputs)``, a part of ``block``; its activations are dropped where the block asks for that."""
    if block.recompute and torch.is_grad_enabled():
        return checkpoint(function, *inputs, use_reentrant=False)
    return function(*inputs)
