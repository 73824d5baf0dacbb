"""N-d patches: signals, images, volumes and video tubelets as rows of pixels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor


def per_axis(value: int | Sequence[int], *, ndim: int, name: str) -> tuple[int, ...]:
    """``value`` once per axis.

    Raises:
        ValueError: If a sequence of another length, or a size below 1, is given.
    """
    sizes = (value,) * ndim if isinstance(value, int) else tuple(int(v) for v in value)
    if len(sizes) != ndim or min(sizes) < 1:
        raise ValueError(f"{name} must be a positive integer or {ndim} of them, got {value!r}")
    return sizes


@dataclass(frozen=True)
class Patches:
    """Cuts data of a given size into non-overlapping patches, and puts them back.

    Tokens are in raster order (last axis fastest); the values of one patch are in raster order with the
    channel fastest, as in the published MAE (row, column, channel).

    Attributes:
        size: Extent of the data along each axis, for instance ``(224, 224)`` or ``(96, 96, 96)``.
        patch: Extent of one patch along each axis.
        channels: Number of channels.
    """

    size: tuple[int, ...]
    patch: tuple[int, ...]
    channels: int

    def __post_init__(self) -> None:
        check_divisible(size=self.size, patch=self.patch)

    @classmethod
    def of(cls, *, size: int | Sequence[int], patch: int | Sequence[int], channels: int) -> Patches:
        """From sizes given as one integer or one per axis; two integers mean a square image."""
        lengths = [len(value) for value in (size, patch) if not isinstance(value, int)]
        ndim = lengths[0] if lengths else 2
        return cls(
            per_axis(size, ndim=ndim, name="image_size"),
            per_axis(patch, ndim=ndim, name="patch_size"),
            channels,
        )

    @property
    def ndim(self) -> int:
        """Number of spatial (and temporal) axes."""
        return len(self.size)

    @property
    def grid(self) -> tuple[int, ...]:
        """Patches along each axis."""
        return tuple(s // p for s, p in zip(self.size, self.patch, strict=True))

    @property
    def num_tokens(self) -> int:
        """N, patches in all."""
        return math.prod(self.grid)

    @property
    def num_values(self) -> int:
        """P, values in one patch."""
        return math.prod(self.patch) * self.channels

    def patchify(self, data: Tensor) -> Tensor:
        """Patches of ``data`` ``(B, C, *size)``: ``(B, N, P)``.

        Raises:
            ValueError: If ``data`` has another size or channel count than declared.
        """
        self.check(data)
        return patchify(data, list(self.patch))

    def unpatchify(self, rows: Tensor) -> Tensor:
        """Data ``(B, C, *size)`` from patches ``(B, N, P)``; the inverse of :meth:`patchify`."""
        return unpatchify(rows, list(self.grid), list(self.patch), self.channels)

    def paint(self, values: Tensor) -> Tensor:
        """One value a token ``(B, N)``, painted over the pixels of its patch: ``(B, 1, *size)``."""
        painted = values.reshape(-1, 1, *self.grid)
        for axis, extent in enumerate(self.patch):
            painted = painted.repeat_interleave(extent, dim=axis + 2)
        return painted

    def touched(self, where: Tensor) -> Tensor:
        """Tokens of which a value is True: bool ``(B, N)`` from bool ``(B, 1, *size)``."""
        return patchify(where, list(self.patch)).any(dim=2)

    def check(self, data: Tensor) -> None:
        """Refuses data of another shape than ``(B, C, *size)``, and whole numbers.

        Raises:
            ValueError: With both shapes, or what to do.
        """
        check_floating(data)
        if tuple(data.shape[1:]) != (self.channels, *self.size):
            raise ValueError(
                f"expected data of shape (B, {self.channels}, {', '.join(map(str, self.size))}), "
                f"got {tuple(data.shape)}; build the method with this size and channel count, or resize the data"
            )


def check_floating(data: Tensor) -> None:
    """Refuses whole numbers, such as bytes of pictures, which no mean, scale or network is for.

    Raises:
        ValueError: With what to do.
    """
    if not data.is_floating_point():
        raise ValueError(
            "whole numbers are no data in its own unit: bring them there as float32, mostly to [0, 1] "
            "(images.float() / 255, or dtype='float32' of the view)"
        )


def patchify(data: Tensor, patch: list[int]) -> Tensor:
    """Patches of ``data`` ``(B, C, *size)`` as rows ``(B, N, P)``, channel fastest within a row.

    Plain loops over lists, so that TorchScript can compile it.
    """
    ndim, channels, values = len(patch), data.shape[1], 1
    split = [data.shape[0], channels]
    for axis in range(ndim):
        split += [data.shape[2 + axis] // patch[axis], patch[axis]]
        values *= patch[axis]
    grid_axes = [2 + 2 * axis for axis in range(ndim)]
    patch_axes = [3 + 2 * axis for axis in range(ndim)]
    order = [0] + grid_axes + [1] + patch_axes  # noqa: RUF005 - TorchScript has no unpacking
    # First whole lines of a patch, then its channels: several times as fast as both at once.
    rows = data.reshape(split).permute(order).reshape(data.shape[0], -1, channels, values)  # (B, N, C, P / C)
    return rows.transpose(2, 3).reshape(data.shape[0], -1, channels * values)


def unpatchify(rows: Tensor, grid: list[int], patch: list[int], channels: int) -> Tensor:
    """Data ``(B, C, *size)`` from rows ``(B, N, P)``; the inverse of :func:`patchify`, and as plain."""
    ndim, batch = len(grid), rows.shape[0]
    order, size = [0, 2 * ndim + 1], [batch, channels]
    for axis in range(ndim):
        order += [1 + axis, 1 + ndim + axis]
        size.append(grid[axis] * patch[axis])
    blocks = rows.reshape([batch] + grid + patch + [channels])  # noqa: RUF005 - (B, g1..gn, p1..pn, C)
    return blocks.permute(order).reshape(size)


def check_divisible(*, size: Sequence[int], patch: Sequence[int]) -> None:
    """Refuses a size that patches do not tile.

    Raises:
        ValueError: With the nearest sizes that would work.
    """
    if len(size) != len(patch):
        raise ValueError(f"size {tuple(size)} and patch {tuple(patch)} differ in their number of axes")
    if any(s % p for s, p in zip(size, patch, strict=True)):
        below = tuple(max(p, s // p * p) for s, p in zip(size, patch, strict=True))
        above = tuple(-(-s // p) * p for s, p in zip(size, patch, strict=True))
        raise ValueError(
            f"size {tuple(size)} is not a multiple of the patch {tuple(patch)}; "
            f"the nearest valid sizes are {below} and {above}: crop, pad or resize to one of them"
        )
