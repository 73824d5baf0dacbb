"""Single slices of every contrast of every case: what Edge-MAE pre-trains on."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.data import Dataset

from medmae.data.manifest import Manifest, Row
from medmae.data.volumes.selection import filled_slices, usable
from medmae.errors import DataError


class SliceDataset(Dataset[dict[str, Tensor | int]]):
    """One item for each case, contrast and slice that shows enough of the head.

    Item ``i`` is ``{"image": float32 (1, size, size) in [0, 1], "contrast": int64 scalar, "index": i}``; ``contrast``
    counts in :attr:`contrast_names`, which is the whole manifest's, so the number is the same in every split.

    Args:
        manifest: ``manifest.jsonl``, its folder, or a :class:`Manifest`.
        split: ``train``, ``val`` or ``test``; None takes all.
        contrasts: Names to keep; None keeps all.
        size: Edge in pixels. Slices are zero-padded to a square, centred, then resized bilinearly. None gives the
            stored ``(1, H, W)``.
        min_foreground: Smallest share of foreground of a slice.
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
        size: int | None = 256,
        min_foreground: float = 0.02,
        may_be_empty: bool = False,
    ) -> None:
        if size is not None and size < 1:
            raise ValueError(f"size must be positive or None, got {size}")
        self.manifest = Manifest.of(manifest)
        self.split, self.size = split, size
        self.contrast_names = self.manifest.contrast_names
        wanted = self.contrast_names if contrasts is None else self.manifest.known(contrasts)
        self.rows = self.manifest.select(split=split, contrasts=wanted)
        # Columns: row, position of the contrast in the shard, slice, contrast number. One array rather than objects, so
        # that forked workers share its pages.
        self._items = _items(self.rows, wanted, self.contrast_names, min_foreground)  # (N, 4)
        self._paths = [str(row["shard"]) for row in self.rows]
        self._shards = self.manifest.shards
        if not len(self._items) and not may_be_empty:
            raise DataError(
                "no slice is left to read",
                path=self.manifest.path,
                field="split, contrasts, min_foreground",
                value=(split, list(wanted), min_foreground),
                remedy="prepare more subjects, or choose another split or a smaller min_foreground",
            )

    def __len__(self) -> int:
        return len(self._items)

    def __getitem__(self, index: int) -> dict[str, Tensor | int]:
        row, position, z, contrast = self._items[index].tolist()
        image = planes(self._shards[self._paths[row]], position=position, z=z)  # (1, H, W)
        if self.size is not None:
            image = fit(image, size=self.size)
        return {"image": image, "contrast": torch.tensor(contrast), "index": index % len(self)}

    def locate(self, index: int) -> tuple[Row, str, int]:
        """Where item ``index`` comes from: manifest row, contrast name, slice number in the shard."""
        row, _, z, contrast = self._items[index].tolist()
        return self.rows[row], self.contrast_names[contrast], z

    def describe(self, index: int) -> dict[str, str | int]:
        """Case, subject, contrast and slice number of item ``index``, for tables and pictures."""
        row, contrast, z = self.locate(index)
        return {"case": row["case"], "subject": row["subject"], "contrast": contrast, "slice": z}


def planes(shard: np.ndarray, *, position: int, z: int, neighbours: int = 0) -> Tensor:
    """A slice of one contrast and ``neighbours`` on each side of it, float32 ``(1 + 2 * neighbours, H, W)``.

    Beyond the ends of the shard ``(S, C, H, W)`` its last slice is repeated.
    """
    first, last = max(z - neighbours, 0), min(z + neighbours, shard.shape[0] - 1)
    # torch turns float16 into float32 about twenty times faster than numpy does.
    found = torch.from_numpy(np.array(shard[first : last + 1, position])).float()
    if last - first == 2 * neighbours:
        return found
    return found[around(z, neighbours=neighbours, count=shard.shape[0]) - first]


def around(slices: npt.ArrayLike, *, neighbours: int, count: int) -> np.ndarray:
    """Numbers of the slices around each of ``slices``, kept inside ``count``: ``(..., 1 + 2 * neighbours)``."""
    return (np.asarray(slices)[..., None] + np.arange(-neighbours, neighbours + 1)).clip(0, count - 1)


def fit(image: Tensor, *, size: int) -> Tensor:
    """Zero-pads ``(C, H, W)`` to a centred square and resizes it bilinearly to ``(C, size, size)``."""
    H, W = image.shape[-2:]
    if H != W:
        edge = max(H, W)
        top, left = (edge - H) // 2, (edge - W) // 2
        image = F.pad(image, (left, edge - W - left, top, edge - H - top))  # (C, E, E)
    if image.shape[-1] == size:
        return image
    return F.interpolate(image[None], size=(size, size), mode="bilinear", align_corners=False)[0]


def unfit(image: Tensor, *, shape: tuple[int, int]) -> Tensor:
    """Undoes :func:`fit`: ``(C, size, size)`` back to ``(C, H, W)``; exact where nothing was resized."""
    H, W = shape
    edge = max(H, W)
    if image.shape[-1] != edge:
        image = F.interpolate(image[None], size=(edge, edge), mode="bilinear", align_corners=False)[0]
    top, left = (edge - H) // 2, (edge - W) // 2
    return image[..., top : top + H, left : left + W]


def _items(rows: tuple[Row, ...], wanted: Iterable[str], names: tuple[str, ...], min_foreground: float) -> np.ndarray:
    keep = set(wanted)
    found = [np.empty((0, 4), dtype=np.int32)]
    for number, row in enumerate(rows):
        slices = filled_slices(row, min_foreground=min_foreground)
        for name, position in usable(row, keep).items():
            block = np.empty((len(slices), 4), dtype=np.int32)
            block[:] = (number, position, 0, names.index(name))
            block[:, 2] = slices
            found.append(block)
    return np.concatenate(found)
