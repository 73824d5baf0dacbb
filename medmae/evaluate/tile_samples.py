"""Labelled tiles as few-label evaluation takes them: labels, names, patients, and images by number."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from medmae.data.tiles import UNLABELLED, TileDataset
from medmae.errors import DataError
from medmae.evaluate.few_label_scores import Samples


def samples_of(tiles: TileDataset, test: TileDataset | None = None) -> Samples:
    """Labels, names and patients of the tiles, those of the test set last.

    Patients are the groups where they are known, slides where only these are; where neither is, there are none.

    Raises:
        DataError: If a tile has no label, or the sets have other classes.
    """
    sets = [tiles] if test is None else [tiles, test]
    if test is not None and test.classes != tiles.classes:
        raise DataError(
            "the test set has other classes",
            path=test.manifest.path,
            field="classes",
            value=(tiles.classes, test.classes),
            remedy="name the same classes for both",
        )
    labels = np.concatenate([some.labels for some in sets]).astype(np.int64)
    if (labels == UNLABELLED).any():
        raise DataError(
            f"{(labels == UNLABELLED).sum()} tiles have no label",
            path=tiles.manifest.path,
            field="label",
            remedy="name the classes: tiles of none of them are left out",
        )
    flags = {flag for some in sets for row in some.rows for flag in row.get("flags", ())}
    by_image, own = "split_by_image" in flags, np.zeros(len(labels), dtype=bool)
    own[len(tiles) :] = True
    return Samples(
        labels=labels,
        classes=tiles.classes,
        names=[_name(some, index) for some in sets for index in range(len(some))],
        groups=None if by_image else np.concatenate([some.subjects for some in sets]),
        unit="slide" if "no_patient" in flags else "patient",
        test=None if test is None else own,
    )


class TileLoader:
    """Images of several data sets, counted through."""

    def __init__(self, sets: Sequence[TileDataset]) -> None:
        self.sets = sets

    def __call__(self, numbers: Sequence[int]) -> Tensor:
        """``(B, 3, H, W)``."""
        images = []
        for number in numbers:
            some = 0
            while number >= len(self.sets[some]):
                number, some = number - len(self.sets[some]), some + 1
            images.append(torch.as_tensor(self.sets[some][number]["image"]))
        return torch.stack(images)


def _name(tiles: TileDataset, index: int) -> dict[str, str | int]:
    known = tiles.describe(index)
    return {key: known.get(key, "") for key in ("case", "slide", "tile", "x", "y")}
