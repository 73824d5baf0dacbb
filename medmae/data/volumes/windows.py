"""Random 3-d windows into volumes: all contrasts of an item are cut at the same place."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

Window = tuple[slice, slice, slice]


class CropWindows:
    """Where the crops of an epoch lie: a function of (seed, epoch, item) alone, so that a resumed run reads the same.

    Args:
        size: Of a crop, (slices, rows, columns). A smaller volume is zero-padded, centred.
        crops_per_volume: Items a volume and an epoch.
        seed: Of the positions.
    """

    def __init__(self, *, size: Sequence[int], crops_per_volume: int, seed: int) -> None:
        if len(size) != 3 or min(size) < 1 or crops_per_volume < 1:
            raise ValueError(f"size and crops_per_volume must be positive, got {size} and {crops_per_volume}")
        self.size, self.crops_per_volume, self.seed = tuple(size), crops_per_volume, seed
        self._epoch = torch.zeros((), dtype=torch.int64).share_memory_()  # seen by workers that live on

    def set_epoch(self, epoch: int) -> None:
        """Moves all crops on; every epoch has its own positions."""
        self._epoch.fill_(epoch)

    def window(self, shape: Sequence[int], item: int) -> Window:
        """The window of an item in a volume ``(S, H, W)`` of this shape."""
        rng = np.random.default_rng((self.seed, int(self._epoch), item))
        starts = [int(rng.integers(0, max(full - n, 0) + 1)) for full, n in zip(shape, self.size, strict=True)]
        z, y, x = (slice(start, min(start + n, full)) for start, n, full in zip(starts, self.size, shape, strict=True))
        return z, y, x

    def read(self, shard: np.ndarray, *, positions: Sequence[int], item: int) -> Tensor:
        """Contrasts of a shard ``(S, C, H, W)``, cut at one place: float32 ``(len(positions), *size)``.

        Args:
            shard: The case.
            positions: Of the contrasts in it; one of -1 stays 0.
            item: Number of the item.
        """
        shape = (shard.shape[0], *shard.shape[2:])
        z, y, x = self.window(shape, item)
        crops = torch.zeros(len(positions), *self.size)  # (C, D, H, W)
        place = _centre(shape, self.size)
        for crop, position in zip(crops, positions, strict=True):
            if position >= 0:
                crop[place] = torch.from_numpy(np.array(shard[z, position, y, x])).float()
        return crops

    def pads(self, shape: Sequence[int]) -> bool:
        """Whether a volume ``(S, H, W)`` is smaller than a crop along some axis."""
        return any(full < n for full, n in zip(shape, self.size, strict=True))

    def real(self, shape: Sequence[int]) -> Tensor:
        """Which voxels of a crop are the volume's own rather than padding: bool ``(1, *size)``."""
        real = torch.zeros(1, *self.size, dtype=torch.bool)
        real[0][_centre(shape, self.size)] = True
        return real


def _centre(shape: Sequence[int], size: Sequence[int]) -> tuple[slice, ...]:
    inner = [min(full, n) for full, n in zip(shape, size, strict=True)]
    return tuple(slice((n - m) // 2, (n - m) // 2 + m) for n, m in zip(size, inner, strict=True))
