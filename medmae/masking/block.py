"""Block-wise masking with a scattered rest: what is hidden is mostly a few large blocks (BootMAE, ECCV 2022)."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from functools import cache

import numpy as np
import torch
from torch import Tensor

from medmae.masking.base import Mask, Rounding, visible_count
from medmae.masking.noise import NoiseMasking

_TRIES = 1000  # for one block, before a single token is taken instead


class BlockMasking(NoiseMasking):
    """Marks a fixed number of tokens in blocks, then hides marked tokens first and others, scattered, up to the ratio.

    A few marked tokens, as many as a shift that one draw decides for the whole batch, stay visible all the same, and
    others are hidden in their place. At the published settings, 14 x 14 tokens, 120 are marked in blocks of 16 to 60,
    and of the 147 that are hidden ``120 - shift`` are marked and ``27 + shift`` scattered.

    Blocks are boxes of any number of axes; counts are shares of the grid, and a box has the grid's proportions but for
    a random stretch, so that any grid has the masks of a square one (ours).

    Args:
        grid: Tokens along each axis.
        ratio: Share of tokens to hide; the count is fixed here, once.
        block_share: Share of tokens to mark; 0 is random masking.
        min_share: Smallest block, before its edges are rounded.
        max_share: Largest block, and the most that one block may add.
        max_stretch: Longest edge of a block over its shortest, where the grid is square.
        max_shift: The shift is uniform in 0 .. ``max_shift``.
        rounding: See :func:`medmae.masking.base.visible_count`.

    Raises:
        ValueError: If the ratio leaves 0 or all tokens visible, or the shares do not fit each other.
    """

    cut_by_padding, noise_dtype = "blocks", torch.float64

    def __init__(
        self,
        *,
        grid: Sequence[int],
        ratio: float = 0.75,
        block_share: float = 120 / 196,
        min_share: float = 16 / 196,
        max_share: float = 60 / 196,
        max_stretch: float = 1 / 0.3,
        max_shift: int = 3,
        rounding: Rounding = "truncate_visible",
    ) -> None:
        self.grid, self.num_tokens = tuple(grid), math.prod(grid)
        self.ratio, self.rounding, self.max_stretch, self.max_shift = ratio, rounding, max_stretch, max_shift
        self.num_visible = visible_count(num_tokens=self.num_tokens, ratio=ratio, rounding=rounding)
        if not (0 < min_share <= max_share < 1 and 0 <= block_share < 1):
            raise ValueError(
                "shares must be 0 < min_share <= max_share < 1 and 0 <= block_share < 1, got "
                f"{min_share}, {max_share} and {block_share}"
            )
        if max_stretch < 1 or max_shift < 0:
            raise ValueError(f"max_stretch must be at least 1 and max_shift 0, got {max_stretch} and {max_shift}")
        self._axes = [axis for axis, length in enumerate(self.grid) if length > 1]  # those along which a box can vary
        self.num_marked = round(block_share * self.num_tokens)
        self.min_block, self.max_block = (max(1, round(share * self.num_tokens)) for share in (min_share, max_share))

    @property
    def noise_width(self) -> int:
        """Uniform numbers that a sample needs: N for the order of tokens, then its blocks' seed, then the shift."""
        return self.num_tokens + 2

    def mask_of(self, noise: Tensor, real: Tensor | None = None) -> Mask:
        """See :meth:`NoiseMasking.mask_of`; the shift is the first row's.

        How many draws a block takes is not known beforehand: one uniform number a sample seeds a stream of its own.
        """
        order, seeds, shifts = noise.cpu().split([self.num_tokens, 1, 1], dim=1)
        streams = [random.Random(seed) for seed in seeds.flatten().tolist()]  # noqa: S311 - nothing secret
        blocks = np.stack([self._table(self._marked(stream)) for stream in streams])  # (B, N)
        shift = int(shifts[0] * (self.max_shift + 1))
        return self.replay(blocks=torch.from_numpy(blocks), noise=order, shift=shift)

    def replay(self, *, blocks: Tensor, noise: Tensor, shift: int) -> Mask:
        """The mask that given draws mean; nothing here is random.

        Args:
            blocks: True (or 1) where a token is marked, ``(B, N)``.
            noise: Uniform in [0, 1), ``(B, N)``: the order among marked and among other tokens, largest first.
            shift: The same for every sample.

        Returns:
            Visible tokens in the order in which the reference has them: the last ``shift`` marked ones, then others.
        """
        order = ((1 - blocks.to(noise.dtype)) + noise).argsort(dim=1, descending=True)  # (B, N), marked ones last
        order = order.roll(shift, dims=1)
        return Mask(order[:, : self.num_visible], order[:, self.num_visible :], self.num_tokens)

    def _marked(self, draw: random.Random) -> int:
        """Exactly ``num_marked`` tokens as a set of bits: token i is bit i of an integer, which is fast to count."""
        marked, left = 0, self.num_marked
        while left:
            box = self._box(draw, marked, left) & ~marked
            marked |= box
            left -= box.bit_count()
        return marked

    def _box(self, draw: random.Random, marked: int, left: int) -> int:
        """A box that adds between 1 and ``left`` tokens, and no more than the largest block has."""
        most = min(self.max_block, left)
        for _ in range(_TRIES):
            edges = self._edges(draw, draw.uniform(self.min_block, most))
            if any(edge >= length > 1 for edge, length in zip(edges, self.grid, strict=True)):
                continue
            box = self._placed(draw, edges)
            if 1 <= (box & ~marked).bit_count() <= most:
                return box
        return 1 << draw.choice([token for token in range(self.num_tokens) if not marked >> token & 1])

    def _edges(self, draw: random.Random, volume: float) -> list[int]:
        """Edges of a box of about ``volume`` tokens: each axis in turn is stretched against those that follow."""
        edges, share = [1] * len(self.grid), volume / self.num_tokens
        for rank, axis in enumerate(self._axes, start=1):
            rest = len(self._axes) - rank
            part = share ** (1 / (rest + 1))  # of the axis, were all that are left treated alike
            if rest:
                part *= self.max_stretch ** draw.uniform(-0.5, 0.5)
            share /= part
            edges[axis] = max(1, round(self.grid[axis] * part))
        return edges

    def _placed(self, draw: random.Random, edges: Sequence[int]) -> int:
        """A box with these edges anywhere on the grid, as bits."""
        box, stride, corner = 1, 1, 0
        for edge, length in zip(reversed(edges), reversed(self.grid), strict=True):
            box *= _comb(edge, stride)  # as many copies of the box, one beside the other along this axis
            corner += stride * int(draw.random() * (length - edge + 1))
            stride *= length
        return box << corner

    def _table(self, marked: int) -> np.ndarray:
        """Bits as a row of N zeros and ones."""
        octets = np.frombuffer(marked.to_bytes(-(-self.num_tokens // 8), "little"), dtype=np.uint8)
        return np.unpackbits(octets, count=self.num_tokens, bitorder="little")


@cache
def _comb(teeth: int, stride: int) -> int:
    """An integer with ``teeth`` bits set, ``stride`` apart, from the lowest on."""
    return sum(1 << stride * tooth for tooth in range(teeth))
