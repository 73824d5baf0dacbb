"""Prepared shapes as clouds of points, with the patches that preparation found: the view for training and tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from medmae.data.augment.cloud import CloudAugment
from medmae.data.held import SHAPES
from medmae.data.labels import Labels
from medmae.data.manifest import Manifest
from medmae.data.rows import Row
from medmae.data.source import Source
from medmae.data.views import About, Item, View
from medmae.errors import DataError, check_choice
from medmae.kinds import Kind


@dataclass(frozen=True, kw_only=True)
class Clouds(View[Manifest]):
    """Samples ``{"points": (3, N), "members": (G, K)}`` of what ``medmae prep points`` wrote.

    Points lie about their mean: in millimetres where size was kept, else within a sphere of radius 1. ``"members"`` are
    the numbers of the points of each patch, its centre first (:class:`medmae.tokens.points.PointPatches`).

    Args:
        patches: Whether they are brought; a network with patches of other numbers finds its own.
        augment: What is drawn anew in each epoch; None: nothing.
        seed: Of that.
        target: What is to be learnt: the ``label``, or the ``value``.

    Raises:
        ValueError: If ``target`` is another word.
    """

    noun = "shape"

    patches: bool = True
    augment: CloudAugment | None = None
    seed: int = 0
    target: Literal["label", "value"] = "label"

    def __post_init__(self) -> None:
        check_choice(self.target, ("label", "value"), name="target")

    def open(self, source: Source | str | Path) -> Manifest:
        """The manifest.

        Raises:
            DataError: If it holds other things than shapes; or shapes of several units, numbers of points or patches.
        """
        manifest = Manifest.of(source).require(*SHAPES)
        for field in ("points", "unit", "size", "patches"):
            values = {str(_told(row, field)) for row in manifest}
            if len(values) > 1:
                raise DataError(
                    f"its shapes differ in {field}",
                    path=manifest.path,
                    field=field,
                    value=sorted(values),
                    remedy="prepare all with the same options",
                )
        if self.patches and not any(row.get("patches") for row in manifest):
            raise DataError(
                "its shapes were prepared without patches",
                path=manifest.path,
                field="patches",
                value=0,
                remedy="prepare them with --patches and --patch-points, or read them with patches=False",
            )
        return manifest

    def items(self, source: Manifest, places: Sequence[int]) -> np.ndarray:
        """``(N, 1)``: a row a shape."""
        return np.array(places, dtype=np.int64)[:, None]

    def labels(self, source: Manifest, items: np.ndarray) -> Labels | None:
        """Of each shape: its class or its number; names are alike in every split."""
        rows = [source.rows[place] for place in items[:, 0].tolist()]
        return Labels.of_rows(rows, every=source, target=self.target)

    def kinds(self, source: Manifest) -> dict[str, Kind]:
        """One cloud, in its unit."""
        unit = next((row["unit"] for row in source if row["size"] == "kept"), "")
        return {"points": Kind.of("points", ["point"], channels=["x", "y", "z"], peak=None, unit=unit)}

    def read(self, source: Manifest, item: Item) -> dict[str, Tensor]:
        """``{"points": (3, N)[, "members": (G, K)]}``.

        Raises:
            DataError: If a shard is not what the row says.
        """
        row = source.rows[item.numbers[0]]
        points = self._of(source, row, row["shard"], (row["points"], 3))
        if self.augment is not None:
            points = self.augment(points, np.random.default_rng((self.seed, item.epoch, item.index)))
        found = {"points": torch.from_numpy(np.ascontiguousarray(points.T))}
        if self.patches:
            about = row["patches"]
            members = self._of(source, row, about["shard"], (about["count"], about["size"]))
            found["members"] = torch.from_numpy(members.astype(np.int64))
        return found

    def describe(self, source: Manifest, item: Item) -> About:
        """Patient, case and class."""
        row = source.rows[item.numbers[0]]
        return About(row["case"], row["subject"], label=row.get("label"))

    @staticmethod
    def _of(source: Manifest, row: Row, shard: str, shape: tuple[int, ...]) -> np.ndarray:
        stored = source.shards[shard]
        if stored.shape[1:] != shape or row["place"] >= len(stored):
            raise DataError(
                "the shard has other shapes than its row says",
                path=shard,
                field="shape",
                value=stored.shape,
                remedy="prepare the data again",
            )
        return np.array(stored[row["place"]])


def _told(row: Row, field: str) -> object:
    """What all rows should share: of patches their numbers, not their files."""
    return (row[field]["count"], row[field]["size"]) if field == "patches" and row.get(field) else row.get(field)
