"""Random 3-d crops of every contrast of every case."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from medmae.data.manifest import Manifest, Row
from medmae.data.shards import Shards
from medmae.errors import DataError


class CropDataset(Dataset[dict[str, Tensor | int]]):
    """``crops_per_volume`` items for each case and contrast.

    Item ``i`` is ``{"image": float32 (1, D, H, W) in [0, 1], "contrast": int64 scalar, "index": i}``. Where a crop
    lies is a function of (seed, epoch, i) alone, so that a resumed run reads the same crops. Voxels are taken as they
    are: anisotropic volumes are not resampled.

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
        if len(size) != 3 or min(size) < 1 or crops_per_volume < 1:
            raise ValueError(f"size and crops_per_volume must be positive, got {size} and {crops_per_volume}")
        self.manifest = manifest if isinstance(manifest, Manifest) else Manifest.read(manifest)
        self.size, self.crops_per_volume, self.seed = tuple(size), crops_per_volume, seed
        self.contrast_names = self.manifest.contrast_names
        wanted = self.contrast_names if contrasts is None else self.manifest.known(contrasts)
        self.rows = self.manifest.select(split=split, contrasts=wanted)
        self._volumes = [
            (number, position, self.contrast_names.index(contrast["name"]))
            for number, row in enumerate(self.rows)
            for position, contrast in enumerate(row["contrasts"])
            if contrast["name"] in wanted and "constant" not in contrast.get("flags", ())
        ]
        self._shards = Shards(self.manifest)
        self._epoch = torch.zeros((), dtype=torch.int64).share_memory_()  # seen by workers that live on
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
        self._epoch.fill_(epoch)

    def __len__(self) -> int:
        return len(self._volumes) * self.crops_per_volume

    def __getitem__(self, index: int) -> dict[str, Tensor | int]:
        index = range(len(self))[index]
        row, position, contrast = self._volumes[index // self.crops_per_volume]
        shard = self._shards[self.rows[row]["shard"]]  # (S, C, H, W)
        shape = (shard.shape[0], *shard.shape[2:])
        (z, y, x) = self._window(shape, index)
        image = torch.zeros(1, *self.size)  # (1, D, H, W)
        image[0][_centre(shape, self.size)] = torch.from_numpy(np.array(shard[z, position, y, x])).float()
        return {"image": image, "contrast": torch.tensor(contrast), "index": index}

    def locate(self, index: int) -> tuple[Row, str, tuple[slice, slice, slice]]:
        """Where item ``index`` of this epoch comes from: manifest row, contrast name, window in the shard."""
        row, _, contrast = self._volumes[range(len(self))[index] // self.crops_per_volume]
        S, _, H, W = self._shards[self.rows[row]["shard"]].shape
        return self.rows[row], self.contrast_names[contrast], self._window((S, H, W), range(len(self))[index])

    def describe(self, index: int) -> dict[str, str | int]:
        """Case, subject, contrast and middle slice of item ``index``, for tables and pictures."""
        row, contrast, (z, _, _) = self.locate(index)
        return {"case": row["case"], "subject": row["subject"], "contrast": contrast, "slice": (z.start + z.stop) // 2}

    def _window(self, shape: tuple[int, ...], index: int) -> tuple[slice, slice, slice]:
        rng = np.random.default_rng((self.seed, int(self._epoch), index))
        starts = [int(rng.integers(0, max(full - n, 0) + 1)) for full, n in zip(shape, self.size, strict=True)]
        z, y, x = (slice(start, min(start + n, full)) for start, n, full in zip(starts, self.size, shape, strict=True))
        return z, y, x


def _centre(shape: tuple[int, ...], size: tuple[int, ...]) -> tuple[slice, ...]:
    inner = [min(full, n) for full, n in zip(shape, size, strict=True)]
    return tuple(slice((n - m) // 2, (n - m) // 2 + m) for n, m in zip(size, inner, strict=True))
