"""All contrasts of one case as channels, some of which it may lack: what an any-to-any network learns from."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from medmae.data.manifest import Manifest
from medmae.data.source import Source
from medmae.data.views import About, Item, View
from medmae.data.volumes.cut import Cut, columns
from medmae.data.volumes.selection import inventory, label_shards, places_of, wanted_contrasts
from medmae.kinds import Kind


@dataclass(frozen=True, kw_only=True)
class Stacks(View[Manifest]):
    """One sample a piece of each case that has enough of the contrasts, all cut at one place.

    ``{"image": float32 (C, *size) in [0, 1], "available": (C,) bool}``; the channel of a contrast that the case lacks
    (or that is constant there) is 0.

    Args:
        cut: :class:`~medmae.data.volumes.slices.Slices` or :class:`~medmae.data.volumes.crops.Crops`, of all contrasts.
        contrasts: Names of the channels, in order; None takes all of the manifest, sorted.
        at_least: Contrasts that a case must have; with fewer than two there is nothing to compare a guess with.
        lesions: Whether samples also hold ``"lesion": float32 (1, *size)``, the share of lesion in each pixel by the
            label maps of the data set; 0 in a case that has none.

    Raises:
        ValueError: If ``cut`` chooses contrasts, too.
    """

    cut: Cut
    contrasts: Sequence[str] | None = None
    at_least: int = 2
    lesions: bool = False

    def __post_init__(self) -> None:
        if self.cut.contrasts is not None:
            raise ValueError(f"{type(self).__name__} names the contrasts, got {self.cut.contrasts} of its cut, too")
        object.__setattr__(self, "noun", self.cut.noun)

    def open(self, source: Source | str | Path) -> Manifest:
        """As of the cut."""
        return self.cut.open(source)

    def items(self, source: Manifest, places: Sequence[int]) -> np.ndarray:
        """``(N, 2 + C)``: row, piece, and position of each contrast in the shard, -1 where the case lacks it."""
        names = wanted_contrasts(source, self.contrasts, at_least=self.at_least)
        if self.lesions and places and not any(label_shards(source.rows[place], "lesion") for place in places):
            warnings.warn("no case of this data set marks lesions: none will weigh more than tissue", stacklevel=2)
        found = [np.empty((0, 2 + len(names)), dtype=np.int32)]
        for place in places:
            positions = places_of(source.rows[place], names)
            if sum(position >= 0 for position in positions) >= self.at_least:
                found.append(columns(place, self.cut.pieces(source.rows[place]), *positions))
        return np.concatenate(found)

    def read(self, source: Manifest, item: Item) -> dict[str, Tensor]:
        """All contrasts, and which of them there are."""
        positions = item.numbers[2:]
        there = torch.tensor([position >= 0 for position in positions])
        return {"image": self.cut.cut(source, item, positions), "available": there, **self.marks(source, item)}

    def marks(self, source: Manifest, item: Item) -> dict[str, Tensor]:
        """Where its lesions are, if that is asked for."""
        return {"lesion": self.cut.marked(source, item, "lesion")} if self.lesions else {}

    def describe(self, source: Manifest, item: Item) -> About:
        """Case, subject, contrasts that are there, and number of the (middle) slice."""
        row, pairs = source.rows[item.numbers[0]], zip(self._names(source), item.numbers[2:], strict=True)
        names = ", ".join(name for name, position in pairs if position >= 0)
        z = self.cut.middle(source, item)
        return About(row["case"], row["subject"], place={"contrasts": names, "slice": z})

    def kinds(self, source: Manifest) -> dict[str, Kind]:
        """One piece with a channel for each contrast."""
        return {"image": self.cut.kind("image", self._names(source))}

    def remedy(self, source: Manifest, places: Sequence[int]) -> str:
        """Tells what cases have."""
        names, rows = self._names(source), [source.rows[place] for place in places]
        needs = f"a case needs {self.at_least} of the contrasts {', '.join(names)}"
        return f"{needs}; choose another split, other contrasts or a larger share: cases have {inventory(rows)}"

    def _names(self, source: Manifest) -> Sequence[str]:
        return source.contrast_names if self.contrasts is None else self.contrasts
