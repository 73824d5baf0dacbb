"""Windows of tokens on a grid with any number of axes: which tokens share one, and where they stand in it."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from medmae.tokens.patches import patchify

_APART = -100.0  # what the published code adds to the score of tokens that a shift brought together


def window_extents(grid: Sequence[int], *, limit: int) -> tuple[int, ...]:
    """Window along each axis: the longest of at most ``limit`` tokens that tiles the axis.

    An axis of up to ``limit`` tokens is one window, as in Swin; where Swin's window does not tile an axis (it pads, or
    fails), a smaller one is taken.

    Raises:
        ValueError: If an axis can only be cut into single tokens, between which there is no attention.
    """
    if limit < 1:
        raise ValueError(f"window_size must be at least 1, got {limit}")
    extents = tuple(max(w for w in range(1, min(length, limit) + 1) if length % w == 0) for length in grid)
    if any(extent == 1 < length for extent, length in zip(extents, grid, strict=True)):
        raise ValueError(
            f"no window of 2 to {limit} tokens tiles a grid of {tuple(grid)} tokens: choose an image size with more "
            "divisors, or another window_size"
        )
    return extents


def window_shift(grid: Sequence[int], window: Sequence[int]) -> tuple[int, ...]:
    """Shift of every second block: half a window, but none along an axis that is one window."""
    return tuple(0 if w == length else w // 2 for length, w in zip(grid, window, strict=True))


def window_order(grid: Sequence[int], window: Sequence[int], shift: Sequence[int]) -> Tensor:
    """Token indices, window after window: ``(W, L)`` int64 for W windows of L tokens, cyclically shifted."""
    index = torch.arange(math.prod(grid)).reshape(*grid)
    return _windows(index, window, shift)


def shift_mask(grid: Sequence[int], window: Sequence[int], shift: Sequence[int]) -> Tensor | None:
    """What keeps apart, within a shifted window, tokens that are far from each other in the data.

    Returns:
        ``(W, L, L)`` float32, 0 for tokens that see each other and -100 for those that do not; None without a shift.
    """
    if not any(shift):
        return None
    # Of the shifted grid, the last `shift` tokens of an axis came from its other end.
    wrapped = [torch.arange(length) < s for length, s in zip(grid, shift, strict=True)]
    region = sum(part.long() << axis for axis, part in enumerate(torch.meshgrid(*wrapped, indexing="ij")))
    assert isinstance(region, Tensor)
    regions = _windows(region, window, shift)  # (W, L)
    return torch.where(regions.unsqueeze(1) == regions.unsqueeze(2), 0.0, _APART)


def hold_windows(module: nn.Module, *, grid: Sequence[int], window: Sequence[int], shift: Sequence[int]) -> int:
    """Gives a module ``order``, ``back`` and ``attn_mask``, which follow from sizes and are in no state dict.

    Returns:
        L, tokens of a window.
    """
    order = window_order(grid, window, shift)  # (W, L)
    module.register_buffer("order", order.flatten(), persistent=False)
    module.register_buffer("back", order.flatten().argsort(), persistent=False)
    module.register_buffer("attn_mask", shift_mask(grid, window, shift), persistent=False)
    return order.shape[1]


def relative_positions(window: Sequence[int]) -> Tensor:
    """For each pair of tokens of a window, the row of a table with one row for each offset: ``(L, L)`` int64."""
    places = torch.meshgrid(*(torch.arange(w) for w in window), indexing="ij")
    rows = torch.zeros((), dtype=torch.long)
    for place, w in zip(places, window, strict=True):
        offset = place.reshape(-1, 1) - place.reshape(1, -1)  # in -(w - 1) .. w - 1
        rows = rows * (2 * w - 1) + offset + w - 1
    return rows


def _windows(values: Tensor, window: Sequence[int], shift: Sequence[int]) -> Tensor:
    """One value a token ``(*grid)`` -> ``(W, L)``."""
    rolled = torch.roll(values, [-s for s in shift], dims=list(range(values.ndim)))
    return patchify(rolled[None, None], list(window))[0]


class WindowHeads(nn.Module):
    """What any attention within windows has.

    Args:
        dim: C.
        num_heads: Heads.

    Subclasses also take ``window``, the tokens of one along each axis.

    Raises:
        ValueError: If ``dim`` is not a multiple of ``num_heads``.
    """

    def __init__(self, *, dim: int, num_heads: int) -> None:
        super().__init__()
        if dim % num_heads:
            raise ValueError(f"width {dim} is not a multiple of {num_heads} heads")
        self.num_heads = num_heads


def biased_windows(bias: Tensor, mask: Tensor | None, count: int) -> Tensor:
    """What is added to the scores of each of ``count`` windows: ``(1 or count, heads, L, L)``.

    Args:
        bias: Of every window, ``(heads, L, L)``.
        mask: Of each window of a sample, ``(W, L, L)``; None: nothing is hidden in any.
        count: Windows of all samples, B * W.
    """
    everywhere = bias.unsqueeze(0)
    if mask is None:
        return everywhere
    return (everywhere + mask.unsqueeze(1)).repeat(count // mask.shape[0], 1, 1, 1)
