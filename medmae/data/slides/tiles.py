"""Tiles of slides, or of class folders: what pathology methods pre-train and are evaluated on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.data import Dataset

from medmae.data.manifest import Manifest, Row
from medmae.data.rows import kind_of
from medmae.data.shards import Shards
from medmae.errors import DataError, check_choice

UNLABELLED = -1
KINDS = ("slide", "tiles")


class TileDataset(Dataset[dict[str, Tensor | int]]):
    """One item a tile.

    Item ``i`` is ``{"image": (3, size, size), "label": int64 scalar, "index": i}``. The image is float32 in [0, 1], or
    uint8. The label is the place of the tile's class (or its slide's) in :attr:`classes`, -1 where it has none. Stains
    are added by :class:`medmae.data.slides.stain_tiles.StainTiles`.

    Args:
        manifest: ``manifest.jsonl`` of :mod:`data_prep.wsi` or :mod:`data_prep.tiles`, its folder, or a
            :class:`Manifest`.
        split: ``train``, ``val`` or ``test``; None takes all.
        size: Edge in pixels: the largest centred square, resized (bilinear, antialiased). None gives the stored pixels.
        classes: Names to keep, in the order of their numbers; None takes all classes of the manifest, sorted, so that
            numbers are the same in every split. Tiles without a class are left out when names are given.
        dtype: ``float32`` or ``uint8``.
        may_be_empty: True for held-out splits, which a cohort of one or two patients cannot fill.

    Raises:
        DataError: If nothing is left (unless ``may_be_empty``), the manifest is not of tiles, or a class is unknown.
    """

    def __init__(
        self,
        *,
        manifest: str | Path | Manifest,
        split: str | None = "train",
        size: int | None = 224,
        classes: Sequence[str] | None = None,
        dtype: Literal["float32", "uint8"] = "float32",
        may_be_empty: bool = False,
    ) -> None:
        if size is not None and size < 1:
            raise ValueError(f"size must be positive or None, got {size}")
        check_choice(dtype, ("float32", "uint8"), name="dtype")
        self.manifest = Manifest.of(manifest)
        self.split, self.size, self.dtype = split, size, dtype
        self.rows = self.manifest.select(split=split)
        _check_kind(self.manifest)
        self.classes = _classes(self.manifest, classes)
        # Columns: row, place in its shard, class. One array, no objects, so that forked workers share its pages.
        self._items = _items(self.rows, self.classes, only=classes is not None)  # (N, 3)
        self._shards = Shards(self.manifest)
        if not len(self._items) and not may_be_empty:
            raise DataError(
                "no tile is left to read",
                path=self.manifest.path,
                field="split, classes",
                value=(split, list(self.classes)),
                remedy="prepare more patients, or choose another split or other classes",
            )

    @property
    def labels(self) -> np.ndarray:
        """Class of every item: int32 ``(N,)``; what draws of few labels are stratified by."""
        return self._items[:, 2]

    @property
    def subjects(self) -> np.ndarray:
        """Patient of every item ``(N,)``: what folds and intervals are grouped by."""
        names = np.array([row["subject"] for row in self.rows], dtype=np.str_)
        return names[self._items[:, 0]]

    def __len__(self) -> int:
        return len(self._items)

    def __getitem__(self, index: int) -> dict[str, Tensor | int]:
        row, place, label = self._items[index].tolist()
        tile = self._shards[self.rows[row]["shard"]][place]  # (H, W, 3) uint8
        image = torch.from_numpy(np.array(tile)).permute(2, 0, 1)  # (3, H, W)
        if self.size is not None:
            image = fit_square(image, size=self.size)
        image = image.float().div_(255) if self.dtype == "float32" else image.contiguous()
        return {"image": image, "label": torch.tensor(label), "index": index % len(self)}

    def locate(self, index: int) -> tuple[Row, int]:
        """Where item ``index`` comes from: manifest row, place in its shard."""
        row, place, _ = self._items[index].tolist()
        return self.rows[row], place

    def describe(self, index: int) -> dict[str, str | int]:
        """Patient, slide and place of item ``index``, for tables and pictures.

        Tiles of slides have ``x`` and ``y``, level-0 pixels of their top left corner; others their ``tile``'s name.
        """
        row, place = self.locate(index)
        known: dict[str, Any] = {"case": row["case"], "subject": row["subject"]}
        if kind_of(row) == "slide":
            x, y = self._shards[row["coords"]][place].tolist()
            return known | {"slide": row["case"], "x": x, "y": y}
        slide = row["tiles"]["slide"][place]
        return known | ({} if slide is None else {"slide": slide}) | {"tile": row["tiles"]["name"][place]}


def fit_square(image: Tensor, *, size: int) -> Tensor:
    """The largest centred square of ``(C, H, W)`` uint8, resized to ``(C, size, size)``."""
    H, W = image.shape[-2:]
    edge = min(H, W)
    top, left = (H - edge) // 2, (W - edge) // 2
    square = image[:, top : top + edge, left : left + edge]
    if edge == size:
        return square
    return F.interpolate(square[None], size=(size, size), mode="bilinear", align_corners=False, antialias=True)[0]


def _check_kind(manifest: Manifest) -> None:
    other = {kind_of(row) for row in manifest} - set(KINDS)
    if other:
        raise DataError(
            "this data set holds other things than tiles",
            path=manifest.path,
            field="kind",
            value=sorted(other),
            remedy="prepare slides with `medmae prep wsi`, or images with `medmae prep tiles`",
        )


def _labels(row: Row) -> list[str | None]:
    return row["tiles"]["label"] if kind_of(row) == "tiles" else [row.get("label")] * row["count"]


def _classes(manifest: Manifest, wanted: Sequence[str] | None) -> tuple[str, ...]:
    known = sorted({label for row in manifest for label in set(_labels(row)) if label is not None})
    unknown = [name for name in wanted or () if name not in known]
    if unknown:
        raise DataError(
            f"no class {', '.join(unknown)} in this data set",
            path=manifest.path,
            field="classes",
            value=known,
            remedy="choose among these",
        )
    return tuple(known if wanted is None else wanted)


def _items(rows: tuple[Row, ...], classes: tuple[str, ...], *, only: bool) -> np.ndarray:
    number = {name: place for place, name in enumerate(classes)}
    found = [np.empty((0, 3), dtype=np.int32)]
    for place, row in enumerate(rows):
        block = np.empty((row["count"], 3), dtype=np.int32)
        block[:, 0], block[:, 1] = place, np.arange(row["count"])
        block[:, 2] = [number.get(label, UNLABELLED) if label else UNLABELLED for label in _labels(row)]
        found.append(block[block[:, 2] != UNLABELLED] if only else block)
    return np.concatenate(found)
