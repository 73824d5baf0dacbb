"""Pieces of volumes: what slices and crops share as views of one contrast a sample."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from medmae.data.contrasts import LabelKind
from medmae.data.held import VOLUMES
from medmae.data.manifest import Manifest, Row
from medmae.data.source import Source
from medmae.data.views import About, Item, View
from medmae.data.volumes.selection import usable
from medmae.kinds import Kind


@dataclass(frozen=True, kw_only=True)
class Cut(View[Manifest]):
    """One sample a case, contrast and piece: ``{"image": float32 (1, *size) in [0, 1], "contrast": int64 scalar}``.

    ``contrast`` counts in :attr:`Manifest.contrast_names`, so that the number is the same in every split.

    Args:
        contrasts: Names to keep; None keeps all.
    """

    contrasts: Sequence[str] | None = None

    def open(self, source: Source | str | Path) -> Manifest:
        """The manifest.

        Raises:
            DataError: If it holds other things than volumes.
        """
        return Manifest.of(source).require(*VOLUMES)

    @abstractmethod
    def pieces(self, row: Row) -> np.ndarray:
        """Numbers of the pieces of a case, ascending."""

    @abstractmethod
    def cut(self, source: Manifest, item: Item, positions: Sequence[int], *, neighbours: int = 0) -> Tensor:
        """Some contrasts of the piece ``item.numbers[1]``, all cut at one place: ``(contrasts, *size)``.

        Args:
            source: The manifest.
            item: The sample.
            positions: Of the contrasts in the shard; one of -1 is 0 everywhere.
            neighbours: Slices on each side as further channels, for views of slices.
        """

    @abstractmethod
    def marked(self, source: Manifest, item: Item, kind: LabelKind) -> Tensor:
        """Where that piece lies in what a kind of label maps marks: ``(1, *size)``, shares in [0, 1].

        Args:
            source: The manifest.
            item: The sample.
            kind: Such as ``lesion``; of a case without such a map nothing is marked.
        """

    @abstractmethod
    def middle(self, source: Manifest, item: Item) -> int:
        """Number of the (middle) slice of a piece, for tables."""

    @abstractmethod
    def kind(self, name: str, channels: int | Sequence[str]) -> Kind:
        """What a piece of so many contrasts is."""

    def items(self, source: Manifest, places: Sequence[int]) -> np.ndarray:
        """``(N, 4)``: row, piece, position of the contrast in the shard, number of the contrast."""
        names = source.contrast_names if self.contrasts is None else source.known(self.contrasts)
        found = [np.empty((0, 4), dtype=np.int32)]
        for place in places:
            row = source.rows[place]
            pieces = self.pieces(row)
            for name, position in usable(row, names).items():
                found.append(columns(place, pieces, position, source.contrast_names.index(name)))
        return np.concatenate(found)

    def read(self, source: Manifest, item: Item) -> dict[str, Tensor]:
        """The piece, and which contrast it is of."""
        position, contrast = item.numbers[2:4]
        return {"image": self.cut(source, item, [position]), "contrast": torch.tensor(contrast)}

    def describe(self, source: Manifest, item: Item) -> About:
        """Case, subject, contrast and number of the (middle) slice."""
        row, contrast = source.rows[item.numbers[0]], source.contrast_names[item.numbers[3]]
        return About(row["case"], row["subject"], contrast=contrast, place={"slice": self.middle(source, item)})

    def kinds(self, source: Manifest) -> dict[str, Kind]:
        """One piece of one contrast."""
        return {"image": self.kind("image", 1)}


def columns(place: int, pieces: np.ndarray, *rest: int) -> np.ndarray:
    """Items ``(pieces, 2 + len(rest))`` of one case: its number, the piece, and what is the same for all of them."""
    found = np.empty((len(pieces), 2 + len(rest)), dtype=np.int32)
    found[:, 0], found[:, 1], found[:, 2:] = place, pieces, rest
    return found
