"""Random 3-d crops of every contrast of every case."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import torch
from torch import Tensor
from torch.utils.data import Dataset

from medmae.data.manifest import Manifest, Row
from medmae.data.volumes.grid import Grid
from medmae.data.volumes.selection import usable
from medmae.data.volumes.windows import CropWindows, Window
from medmae.errors import DataError


class CropDataset(Dataset[dict[str, Tensor | int]]):
    """``crops_per_volume`` items for each case and contrast.

    Item ``i`` is ``{"image": float32 (1, D, H, W) in [0, 1], "contrast": int64 scalar, "index": i}``. If a volume of
    the manifest is smaller than a crop there is also ``"real": bool (1, D, H, W)``, False where a voxel is padding.
    Where a crop lies is a function of (seed, epoch, i) alone, so that a resumed run reads the same crops. Voxels are
    taken as they are: anisotropic volumes are not resampled.

    Args:
        manifest: ``manifest.jsonl``, its folder, or a :class:`Manifest`.
        split: ``train``, ``val`` or ``test``; None takes all.
        contrasts: Names to keep; None keeps all.
        size: Of a crop, (slices, rows, columns). A smaller volume is zero-padded, centred.
        crops_per_volume: Items a volume and an epoch.
        seed: Of the positions.
        may_be_empty: True for held-out splits, which a cohort of one or two subjects cannot fill.

    Raises:
        DataError: If nothing is left, unless ``may_be_empty``.
    """

    def __init__(
        self,
        *,
        manifest: str | Path | Manifest,
        split: str | None = "train",
        contrasts: Iterable[str] | None = None,
        size: tuple[int, int, int] = (32, 96, 96),
        crops_per_volume: int = 8,
        seed: int = 0,
        may_be_empty: bool = False,
    ) -> None:
        self.windows = CropWindows(size=size, crops_per_volume=crops_per_volume, seed=seed)
        self.manifest = Manifest.of(manifest)
        self.contrast_names = self.manifest.contrast_names
        wanted = self.contrast_names if contrasts is None else self.manifest.known(contrasts)
        self.rows = self.manifest.select(split=split, contrasts=wanted)
        self._volumes = [
            (number, position, self.contrast_names.index(name))
            for number, row in enumerate(self.rows)
            for name, position in usable(row, wanted).items()
        ]
        self._shards = self.manifest.shards
        # Of the whole manifest: all splits give the same keys.
        self._pads = any(self.windows.pads(_shape(row)) for row in self.manifest)
        if not self._volumes and not may_be_empty:
            raise DataError(
                "no volume is left to read",
                path=self.manifest.path,
                field="split, contrasts",
                value=(split, list(wanted)),
                remedy="prepare more subjects, or choose another split",
            )

    def set_epoch(self, epoch: int) -> None:
        """Moves all crops on; every epoch has its own positions."""
        self.windows.set_epoch(epoch)

    def __len__(self) -> int:
        return len(self._volumes) * self.windows.crops_per_volume

    def __getitem__(self, index: int) -> dict[str, Tensor | int]:
        index = range(len(self))[index]
        row, position, contrast = self._volumes[index // self.windows.crops_per_volume]
        shard = self._shards[self.rows[row]["shard"]]  # (S, C, H, W)
        image = self.windows.read(shard, positions=[position], item=index)  # (1, D, H, W)
        item: dict[str, Tensor | int] = {"image": image, "contrast": torch.tensor(contrast), "index": index}
        if self._pads:
            item["real"] = self.windows.real((shard.shape[0], *shard.shape[2:]))  # (1, D, H, W)
        return item

    def locate(self, index: int) -> tuple[Row, str, Window]:
        """Where item ``index`` of this epoch comes from: manifest row, contrast name, window in the shard."""
        index = range(len(self))[index]
        row, _, contrast = self._volumes[index // self.windows.crops_per_volume]
        window = self.windows.window(_shape(self.rows[row]), index)
        return self.rows[row], self.contrast_names[contrast], window

    def describe(self, index: int) -> dict[str, str | int]:
        """Case, subject, contrast and middle slice of item ``index``, for tables and pictures."""
        row, contrast, (z, _, _) = self.locate(index)
        return {"case": row["case"], "subject": row["subject"], "contrast": contrast, "slice": (z.start + z.stop) // 2}


def _shape(row: Row) -> tuple[int, int, int]:
    """(S, H, W) of a case, known without its shard, which may be unreadable."""
    return Grid.from_dict(row["grid"]).stored_shape
