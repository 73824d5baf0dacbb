"""All contrasts of one case as channels, some of which it may lack: what an any-to-any network learns from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from medmae.data.manifest import Manifest
from medmae.data.volumes.by_case import CaseCrops, CaseSlices
from medmae.data.volumes.selection import Selection


class StackDataset(CaseSlices):
    """One item for each slice of each case that has enough of the contrasts.

    Item ``i`` is ``{"image": float32 (C, size, size) in [0, 1], "available": (C,) bool, "index": i}``; the channel of a
    contrast that the case lacks (or that is constant there) is 0.

    Args:
        manifest: ``manifest.jsonl``, its folder, or a :class:`Manifest`.
        contrasts: Names of the channels, in order; None takes all of the manifest, sorted.
        split: ``train``, ``val`` or ``test``; None takes all.
        size: Edge in pixels. Slices are zero-padded to a square, centred, then resized bilinearly. None gives the
            stored ``(H, W)``.
        at_least: Contrasts that a case must have; with fewer than two there is nothing to compare a guess with.
        fraction: Share of the subjects to keep, in (0, 1], rounded to whole ones.
        fraction_seed: Shuffles the subjects before some are kept; None takes the first by name.
        min_foreground: Smallest share of foreground of a slice.
        may_be_empty: True for held-out splits, which a cohort of one or two subjects cannot fill.

    Raises:
        DataError: If the data set lacks a contrast, or nothing is left, unless ``may_be_empty``.
    """

    def __init__(
        self,
        *,
        manifest: str | Path | Manifest,
        contrasts: Sequence[str] | None = None,
        split: str | None = "train",
        size: int | None = 256,
        at_least: int = 2,
        fraction: float = 1.0,
        fraction_seed: int | None = None,
        min_foreground: float = 0.02,
        may_be_empty: bool = False,
    ) -> None:
        selection = Selection.choose(
            manifest,
            split=split,
            contrasts=contrasts,
            at_least=at_least,
            fraction=fraction,
            fraction_seed=fraction_seed,
            may_be_empty=may_be_empty,
        )
        super().__init__(selection=selection, size=size, min_foreground=min_foreground, may_be_empty=may_be_empty)
        self.contrasts = selection.contrasts

    def __getitem__(self, index: int) -> dict[str, Tensor | int]:
        images = [self.read(index, contrast=number) for number in range(len(self.contrasts))]
        return {"image": torch.cat(images), "available": self.available(index), "index": index % len(self)}

    def describe(self, index: int) -> dict[str, str | int]:
        """Case, subject, contrasts that are there, and slice number of item ``index``, for tables and pictures."""
        row, z = self.locate(index)
        names = _names(self.contrasts, self.available(index))
        return {"case": row["case"], "subject": row["subject"], "contrasts": names, "slice": z}


class StackCropDataset(CaseCrops):
    """``crops_per_volume`` items for each case that has enough of the contrasts, all cut at the same place.

    Item ``i`` is ``{"image": float32 (C, D, H, W) in [0, 1], "available": (C,) bool, "index": i}``.

    Args:
        manifest: ``manifest.jsonl``, its folder, or a :class:`Manifest`.
        contrasts: Names of the channels, in order; None takes all of the manifest, sorted.
        split: ``train``, ``val`` or ``test``; None takes all.
        size: Of a crop, (slices, rows, columns). A smaller volume is zero-padded, centred.
        crops_per_volume: Items a case and an epoch.
        seed: Of the positions.
        at_least: Contrasts that a case must have.
        fraction: Share of the subjects to keep, in (0, 1], rounded to whole ones.
        fraction_seed: Shuffles the subjects before some are kept; None takes the first by name.
        may_be_empty: True for held-out splits, which a cohort of one or two subjects cannot fill.

    Raises:
        DataError: If the data set lacks a contrast, or nothing is left, unless ``may_be_empty``.
    """

    def __init__(
        self,
        *,
        manifest: str | Path | Manifest,
        contrasts: Sequence[str] | None = None,
        split: str | None = "train",
        size: tuple[int, int, int] = (32, 96, 96),
        crops_per_volume: int = 8,
        seed: int = 0,
        at_least: int = 2,
        fraction: float = 1.0,
        fraction_seed: int | None = None,
        may_be_empty: bool = False,
    ) -> None:
        selection = Selection.choose(
            manifest,
            split=split,
            contrasts=contrasts,
            at_least=at_least,
            fraction=fraction,
            fraction_seed=fraction_seed,
            may_be_empty=may_be_empty,
        )
        super().__init__(selection=selection, size=size, crops_per_volume=crops_per_volume, seed=seed)
        self.contrasts = selection.contrasts

    def __getitem__(self, index: int) -> dict[str, Tensor | int]:
        return {"image": self.read(index), "available": self.available(index), "index": index % len(self)}

    def describe(self, index: int) -> dict[str, str | int]:
        """Case, subject, contrasts that are there, and middle slice of item ``index``, for tables and pictures."""
        row, (z, _, _) = self.locate(index)
        names = _names(self.contrasts, self.available(index))
        return {"case": row["case"], "subject": row["subject"], "contrasts": names, "slice": (z.start + z.stop) // 2}


def _names(contrasts: Sequence[str], available: Tensor) -> str:
    return ", ".join(name for name, there in zip(contrasts, available.tolist(), strict=True) if there)
