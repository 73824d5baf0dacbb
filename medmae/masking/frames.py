"""Masking frame by frame: each frame of a clip hides as many of its tokens, each by a draw of its own."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from medmae.masking.base import Mask, Rounding
from medmae.masking.noise import NoiseMasking
from medmae.masking.random import RandomMasking


class FrameMasking(NoiseMasking):
    """Random masking of each frame by itself.

    Args:
        grid: Tokens along each axis, time first.
        ratio: Share of a frame's tokens to hide; the count is fixed here, once.
        rounding: See :func:`medmae.masking.base.visible_count`; of the tokens of a frame.

    Raises:
        ValueError: If there is no axis besides time, or the ratio leaves no or every token of a frame visible.
    """

    def __init__(self, *, grid: Sequence[int], ratio: float, rounding: Rounding = "truncate_visible") -> None:
        if len(grid) < 2:
            raise ValueError(f"frames need a grid of time and at least one more axis, got {tuple(grid)}")
        self.num_frames = grid[0]
        self.of_frame = RandomMasking(num_tokens=math.prod(grid[1:]), ratio=ratio, rounding=rounding)

    @property
    def noise_width(self) -> int:
        """See :attr:`NoiseMasking.noise_width`: one a token."""
        return self.num_frames * self.of_frame.num_tokens

    def mask_of(self, noise: Tensor, real: Tensor | None = None) -> Mask:
        """See :meth:`NoiseMasking.mask_of`: in each frame the tokens with the smallest noise stay visible.

        Where some tokens are padding every frame has as many visible ones as that with the fewest real ones allows.
        """
        each = self.of_frame.num_tokens
        single = self.of_frame.mask_of(noise.reshape(-1, each), None if real is None else real.reshape(-1, each))
        start = torch.arange(self.num_frames, device=noise.device).view(1, -1, 1) * each

        def clip(index: Tensor) -> Tensor:  # (B * F, K) of a frame -> (B, F * K) of the clip
            return (index.unflatten(0, (-1, self.num_frames)) + start).flatten(1)

        return Mask(clip(single.visible), clip(single.masked), self.noise_width, single.skipped * self.num_frames)


def frame_by_frame(mask: Mask, *, num_frames: int) -> tuple[Mask, Tensor]:
    """The mask of a clip as those of its frames, and where what is found for these belongs.

    Args:
        mask: Of ``(B, F * N)`` tokens, in which every frame hides as many.
        num_frames: F.

    Returns:
        A mask of ``(B * F, N)``, and ``(B, F * M)``: which of the frames' masked tokens, one frame after the other,
        stands where in ``mask.masked``.

    Raises:
        ValueError: If frames hide different numbers, or samples do, or tokens are to be replaced.
    """
    each = mask.num_tokens // num_frames
    if mask.padded or mask.replaced or mask.num_visible % num_frames or mask.num_masked % num_frames:
        raise ValueError(f"each of {num_frames} frames drops as many tokens: this mask is no such one")
    sorted_, order = mask.masked.sort(dim=1)
    tables = [mask.visible.sort(dim=1).values, sorted_]
    frames = torch.arange(num_frames, device=sorted_.device).view(1, -1, 1)
    tables = [table.unflatten(1, (num_frames, -1)) for table in tables]  # (B, F, V or M)
    if not torch.compiler.is_compiling() and any(bool((table // each != frames).any()) for table in tables):
        raise ValueError(f"each of {num_frames} frames drops as many tokens: in this mask some drop more than others")
    visible, masked = ((table - frames * each).flatten(0, 1) for table in tables)
    return Mask(visible, masked, each, mask.skipped // num_frames), order.argsort(dim=1)
