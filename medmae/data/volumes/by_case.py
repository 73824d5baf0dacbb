"""What data sets with several contrasts of a case in one item share: one slice or one crop a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from medmae.data.manifest import Row
from medmae.data.volumes.selection import Selection, filled_slices
from medmae.data.volumes.slices import fit, planes
from medmae.data.volumes.windows import CropWindows, Window
from medmae.errors import DataError


class CaseSlices(Dataset[dict[str, Any]]):
    """One item for each case and each slice that shows enough of the head.

    Args:
        selection: The cases.
        size: Edge in pixels; None leaves slices as they are stored.
        min_foreground: Smallest share of foreground of a slice.
        share: Keeps exactly the first ``int(share * N)`` items.
        may_be_empty: Whether no slice at all is fine.

    Raises:
        DataError: If nothing is left, unless ``may_be_empty``.
    """

    def __init__(
        self, *, selection: Selection, size: int | None, min_foreground: float, may_be_empty: bool, share: float = 1.0
    ) -> None:
        if size is not None and size < 1:
            raise ValueError(f"size must be positive or None, got {size}")
        self.selection, self.size = selection, size
        self.manifest, self.rows = selection.manifest, selection.rows
        slices = [filled_slices(row, min_foreground=min_foreground) for row in self.rows]
        numbers = [np.full_like(found, number) for number, found in enumerate(slices)]
        empty = np.empty(0, dtype=np.int64)
        # Columns: row, slice. One array rather than objects, so that forked workers share its pages.
        items = np.stack([np.concatenate([empty, *numbers]), np.concatenate([empty, *slices])], axis=1)  # (N, 2)
        self._items = items[: int(share * len(items))]
        self._shards = self.manifest.shards
        if not len(self._items) and not may_be_empty:
            raise DataError(
                "no slice is left to read",
                path=self.manifest.path,
                field="min_foreground, share of the slices",
                value=(min_foreground, share),
                remedy="choose a smaller min_foreground or a larger share",
            )

    def __len__(self) -> int:
        return len(self._items)

    @property
    def subjects(self) -> tuple[str, ...]:
        """Whom the items show, sorted."""
        return tuple(sorted({self.rows[number]["subject"] for number in np.unique(self._items[:, 0])}))

    def locate(self, index: int) -> tuple[Row, int]:
        """Where item ``index`` comes from: manifest row and slice number in the shard."""
        row, z = self._items[index].tolist()
        return self.rows[row], z

    def read(self, index: int, *, contrast: int, neighbours: int = 0) -> Tensor:
        """A contrast of item ``index``, float32 ``(1 + 2 * neighbours, H, W)``, fitted; zeros if the case lacks it.

        Args:
            index: Of the item.
            contrast: Its place in the selection.
            neighbours: Slices on each side; the last one is repeated beyond the ends.
        """
        row, z = self._items[index].tolist()
        shard = self._shards[self.rows[row]["shard"]]  # (S, C, H, W)
        position = int(self.selection.positions[row, contrast])
        if position < 0:
            shape = shard.shape[2:] if self.size is None else (self.size, self.size)
            return torch.zeros(1 + 2 * neighbours, *shape)
        image = planes(shard, position=position, z=z, neighbours=neighbours)
        return image if self.size is None else fit(image, size=self.size)

    def available(self, index: int) -> Tensor:
        """Which contrasts of the selection the case has: ``(C,)`` bool."""
        row, _ = self._items[index].tolist()
        return torch.from_numpy(self.selection.positions[row] >= 0)


class CaseCrops(Dataset[dict[str, Any]]):
    """``crops_per_volume`` items for each case; all contrasts of an item are cut at the same place.

    Where that lies is a function of (seed, epoch, item) alone; see :class:`medmae.data.volumes.windows.CropWindows`.

    Args:
        selection: The cases.
        size: Of a crop, (slices, rows, columns).
        crops_per_volume: Items a case and an epoch.
        seed: Of the positions.
    """

    def __init__(self, *, selection: Selection, size: Sequence[int], crops_per_volume: int, seed: int) -> None:
        self.windows = CropWindows(size=size, crops_per_volume=crops_per_volume, seed=seed)
        self.selection = selection
        self.manifest, self.rows = selection.manifest, selection.rows
        self._shards = self.manifest.shards

    def set_epoch(self, epoch: int) -> None:
        """Moves all crops on; every epoch has its own positions."""
        self.windows.set_epoch(epoch)

    def __len__(self) -> int:
        return len(self.rows) * self.windows.crops_per_volume

    @property
    def subjects(self) -> tuple[str, ...]:
        """Whom the items show, sorted."""
        return tuple(sorted({row["subject"] for row in self.rows}))

    def locate(self, index: int) -> tuple[Row, Window]:
        """Where item ``index`` of this epoch comes from: manifest row and window in the shard."""
        row, item = self._row(index)
        S, _, H, W = self._shards[self.rows[row]["shard"]].shape
        return self.rows[row], self.windows.window((S, H, W), item)

    def read(self, index: int) -> Tensor:
        """All contrasts of item ``index``, float32 ``(C, D, H, W)``; zeros where the case lacks one."""
        row, item = self._row(index)
        positions = self.selection.positions[row].tolist()
        return self.windows.read(self._shards[self.rows[row]["shard"]], positions=positions, item=item)

    def available(self, index: int) -> Tensor:
        """Which contrasts of the selection the case has: ``(C,)`` bool."""
        return torch.from_numpy(self.selection.positions[self._row(index)[0]] >= 0)

    def _row(self, index: int) -> tuple[int, int]:
        item = range(len(self))[index]
        return item // self.windows.crops_per_volume, item
