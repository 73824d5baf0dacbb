"""Faces of a prepared data set: the view for pre-training, for action units and for expressions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from medmae.data.faces.flip import mirrored
from medmae.data.faces.rows import POINTS, columns_of
from medmae.data.held import FACES
from medmae.data.labels import Labels
from medmae.data.manifest import Manifest, Row
from medmae.data.source import Source
from medmae.data.views import About, Item, View
from medmae.errors import DataError, check_choice
from medmae.face import LANDMARKS
from medmae.kinds import Kind


@dataclass(frozen=True, kw_only=True)
class Faces(View[Manifest]):
    """Samples: ``image`` ``(3, S, S)`` in [0, 1], ``landmarks`` ``(68, 2)``, ``target`` and ``intensity`` ``(N,)``.

    ``target`` is 0 or 1, ``intensity`` from 0 to 5, both NaN where nobody coded a unit; landmarks are shares of the
    crop, NaN of a face without them. Training crops and mirrors by draws of (seed, epoch, index) alone.

    Args:
        size: S that comes out.
        units: Names, in order; None: all that the data have, in their order.
        learn: Labels are ``units`` (several), ``expression`` (one class), or none for pre-training.
        every: Takes each n-th frame of a recording, whose neighbours are nearly copies.
        crop: Least share of the edge that a random crop keeps; 1 crops nothing.
        flip: Chance of mirroring; sided units (``AU12L``) change sides. 0 where sides count, as in a palsy.
        seed: Of the draws.

    Raises:
        ValueError: If an option is out of range.
    """

    noun = "face"

    size: int = 224
    units: Sequence[str] | None = None
    learn: Literal["units", "expression", "nothing"] = "units"
    every: int = 1
    crop: float = 1.0
    flip: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        check_choice(self.learn, ("units", "expression", "nothing"), name="learn")
        if self.size < 1 or self.every < 1 or not 0.5 <= self.crop <= 1 or not 0 <= self.flip <= 1:
            raise ValueError(
                "size and every must be positive, crop from 0.5 to 1 and flip from 0 to 1, got "
                f"{self.size}, {self.every}, {self.crop}, {self.flip}"
            )

    def open(self, source: Source | str | Path) -> Manifest:
        """The manifest.

        Raises:
            DataError: If it holds other things than faces, or units are asked for that it does not have.
        """
        manifest = Manifest.of(source).require(*FACES)
        self.named(manifest)
        return manifest

    def named(self, source: Manifest) -> tuple[str, ...]:
        """Names of units, in order.

        Raises:
            DataError: If one is in no recording, or units are learnt and there are none.
        """
        known = list(dict.fromkeys(name for row in source.rows for name in row["units"]))
        names = tuple(self.units) if self.units is not None else tuple(known)
        lacking = [name for name in names if name not in known]
        if lacking or (self.learn == "units" and not names):
            raise DataError(
                "no recording has these action units" if lacking else "no action unit is coded in these data",
                path=source.path,
                field="units",
                value=lacking or None,
                remedy=f"name some of {', '.join(known)}" if known else "prepare faces with units, or learn nothing",
            )
        return names

    def items(self, source: Manifest, places: Sequence[int]) -> np.ndarray:
        """``(N, 2)``: row and frame."""
        found = [(place, frame) for place in places for frame in range(0, source.rows[place]["count"], self.every)]
        return np.array(found, dtype=np.int64).reshape(-1, 2)

    def labels(self, source: Manifest, items: np.ndarray) -> Labels | None:
        """Units, NaN where one was not coded; or the expression."""
        if self.learn == "nothing":
            return None
        if self.learn == "expression":
            known = sorted({name for row in source.rows for name in row["expressions"] if name})
            given = [source.rows[place]["expressions"][frame] for place, frame in items.tolist()]
            return Labels.of_classes(given, known=known)
        names = self.named(source)
        values = np.full((len(items), len(names)), np.nan, dtype=np.float32)
        for place in np.unique(items[:, 0]).tolist():
            own = items[:, 0] == place
            measures = self._measures(source, source.rows[place])
            values[own] = _units(measures, source.rows[place], names)[0][items[own, 1]]
        return Labels(task="multi_label", names=names, values=values)

    def kinds(self, source: Manifest) -> dict[str, Kind]:
        """A picture."""
        return {"image": Kind.image()}

    def read(self, source: Manifest, item: Item) -> dict[str, Tensor]:
        """One frame, and what was coded of it."""
        place, frame = item.numbers
        row = source.rows[place]
        names = self.named(source)
        measures = self._measures(source, row)[frame : frame + 1]
        image = torch.from_numpy(np.array(source.shards[row["shard"]][frame])).permute(2, 0, 1).float() / 255
        landmarks = torch.from_numpy(measures[0, :POINTS].reshape(LANDMARKS, 2).copy())
        target, intensity = (torch.from_numpy(part[0].copy()) for part in _units(measures, row, names))
        rng = np.random.default_rng((self.seed, item.epoch, item.index))
        image, landmarks = self._cropped(image, landmarks, rng)
        if rng.random() < self.flip:
            image, landmarks, target, intensity = mirrored(image, landmarks, target, intensity, names=names)
        found = {"image": image, "landmarks": landmarks}
        return found | ({"target": target, "intensity": intensity} if names and self.learn == "units" else {})

    def describe(self, source: Manifest, item: Item) -> About:
        """Whose it is, and which frame."""
        row = source.rows[item.numbers[0]]
        frame = item.numbers[1]
        label = row["expressions"][frame] or None if self.learn == "expression" else None
        return About(row["case"], row["subject"], label=label, place={"frame": row["names"][frame]})

    def _cropped(self, image: Tensor, landmarks: Tensor, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        edge = image.shape[1]
        kept = round(edge * rng.uniform(self.crop, 1.0)) if self.crop < 1 else edge
        top, left = (int(rng.integers(0, edge - kept + 1)) for _ in range(2))
        image = image[:, top : top + kept, left : left + kept]
        if kept != self.size:
            size = [self.size, self.size]
            image = F.interpolate(image[None], size=size, mode="bilinear", antialias=True, align_corners=False)[0]
        return image.contiguous(), (landmarks * edge - torch.tensor([left, top])) / kept

    def _measures(self, source: Manifest, row: Row) -> np.ndarray:
        found = source.shards[row["coords"]]
        if found.shape != (row["count"], columns_of(row)):
            raise DataError(
                "the file of measures has another shape than its row says",
                path=source.folder / row["coords"],
                field="shape",
                value=found.shape,
                remedy="prepare the data again",
            )
        return found


def _units(measures: np.ndarray, row: Row, names: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Whether units are active, and how intense they are, ``(F, N)`` float32 each; NaN of those not coded."""
    known = {name: place for place, name in enumerate(row["units"])}
    found = []
    for first in (POINTS, POINTS + len(known)):
        values = np.full((len(measures), len(names)), np.nan, dtype=np.float32)
        for place, name in enumerate(names):
            if name in known:
                values[:, place] = measures[:, first + known[name]]
        found.append(values)
    return found[0], found[1]
