"""Random 3-d crops of volumes; where they lie is a function of (seed, epoch, index): a resumed run reads alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from medmae.data.contrasts import LabelKind
from medmae.data.manifest import Manifest, Row
from medmae.data.views import Item
from medmae.data.volumes.cut import Cut
from medmae.data.volumes.selection import label_shards, stored_shape
from medmae.kinds import Kind

Window = tuple[slice, slice, slice]


@dataclass(frozen=True, kw_only=True)
class Crops(Cut):
    """``crops_per_volume`` samples a case and contrast; see :class:`~medmae.data.volumes.cut.Cut`.

    If a volume of the manifest is smaller than a crop there is also ``"real": bool (1, D, H, W)``, False where a voxel
    is padding. Voxels are taken as they are: anisotropic volumes are not resampled.

    Args:
        contrasts: Names to keep; None keeps all.
        size: Of a crop, (slices, rows, columns). A smaller volume is zero-padded, centred.
        crops_per_volume: Samples a volume and an epoch.
        seed: Of the positions.
    """

    noun = "crop"

    size: Sequence[int] = (32, 96, 96)
    crops_per_volume: int = 8
    seed: int = 0

    def __post_init__(self) -> None:
        if len(self.size) != 3 or min(self.size) < 1 or self.crops_per_volume < 1:
            raise ValueError(f"size and crops_per_volume must be positive, got {self.size} and {self.crops_per_volume}")

    def pieces(self, row: Row) -> np.ndarray:
        """Numbers of its crops."""
        return np.arange(self.crops_per_volume)

    def items(self, source: Manifest, places: Sequence[int]) -> np.ndarray:
        """``(N, 5)``: as of :class:`Cut`, and whether any volume of the manifest is smaller than a crop."""
        pads = any(full < n for row in source.rows for full, n in zip(stored_shape(row), self.size, strict=True))
        return np.insert(super().items(source, places), 4, pads, axis=1)

    def read(self, source: Manifest, item: Item) -> dict[str, Tensor]:
        """The crop, which contrast it is of, and which of its voxels are real."""
        data = super().read(source, item)
        if item.numbers[4]:  # of the whole manifest: all splits give the same keys
            data["real"] = torch.zeros(1, *self.size, dtype=torch.bool)
            data["real"][0][self._centre(stored_shape(source.rows[item.numbers[0]]))] = True
        return data

    def cut(self, source: Manifest, item: Item, positions: Sequence[int], *, neighbours: int = 0) -> Tensor:
        """``(contrasts, D, H, W)``."""
        assert not neighbours, "a crop has its neighbours within"
        shard = source.shards[source.rows[item.numbers[0]]["shard"]]  # (S, C, H, W)
        shape = (shard.shape[0], *shard.shape[2:])
        z, y, x = self.window(shape, item)
        crops = torch.zeros(len(positions), *self.size)  # (C, D, H, W)
        place = self._centre(shape)
        for crop, position in zip(crops, positions, strict=True):
            if position >= 0:
                crop[place] = torch.from_numpy(np.array(shard[z, position, y, x])).float()
        return crops

    def marked(self, source: Manifest, item: Item, kind: LabelKind) -> Tensor:
        """``(1, D, H, W)``."""
        row = source.rows[item.numbers[0]]
        shape = stored_shape(row)
        crop, place, window = torch.zeros(1, *self.size), self._centre(shape), self.window(shape, item)
        for shard in label_shards(row, kind):
            crop[0][place] += torch.from_numpy(np.asarray(source.shards[shard][window]) > 0)
        return crop.clamp_(max=1)

    def window(self, shape: Sequence[int], item: Item) -> Window:
        """Where a crop lies in a volume ``(S, H, W)`` of this shape."""
        rng = np.random.default_rng((self.seed, item.epoch, item.index))
        starts = [int(rng.integers(0, max(full - n, 0) + 1)) for full, n in zip(shape, self.size, strict=True)]
        z, y, x = (slice(start, min(start + n, full)) for start, n, full in zip(starts, self.size, shape, strict=True))
        return z, y, x

    def middle(self, source: Manifest, item: Item) -> int:
        """Of the crop of this epoch."""
        z, _, _ = self.window(stored_shape(source.rows[item.numbers[0]]), item)
        return int(z.start + z.stop) // 2

    def kind(self, name: str, channels: int | Sequence[str]) -> Kind:
        """``(B, C, D, H, W)``."""
        return Kind.volume(name, channels=channels)

    def _centre(self, shape: Sequence[int]) -> Window:
        """Where a volume of this shape lies in a crop."""
        inner = [min(full, n) for full, n in zip(shape, self.size, strict=True)]
        z, y, x = (slice((n - m) // 2, (n - m) // 2 + m) for n, m in zip(self.size, inner, strict=True))
        return z, y, x
