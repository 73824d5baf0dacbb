"""Two contrasts of one case: what a synthesis network learns from."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, get_args

from torch import Tensor

from medmae.data.manifest import Manifest
from medmae.data.volumes.by_case import CaseCrops, CaseSlices
from medmae.data.volumes.selection import Selection, check_fraction
from medmae.errors import check_choice

FractionBy = Literal["subjects", "slices"]


class PairDataset(CaseSlices):
    """One item for each slice of each case that has both contrasts.

    Item ``i`` is ``{"image": float32 (1 + 2 * neighbours, size, size) in [0, 1], "target": (1, size, size), "index":
    i}``; channel ``neighbours`` of the image is the target's own slice.

    Args:
        manifest: ``manifest.jsonl``, its folder, or a :class:`Manifest`.
        source: Contrast to start from.
        target: Contrast to arrive at.
        split: ``train``, ``val`` or ``test``; None takes all.
        size: Edge in pixels. Slices are zero-padded to a square, centred, then resized bilinearly. None gives the
            stored ``(H, W)``.
        neighbours: Slices on each side of the source's own as further channels; the last one is repeated beyond the
            ends.
        fraction: Share of the paired data to keep, in (0, 1].
        fraction_by: ``subjects`` rounds to whole subjects. ``slices`` keeps exactly the first ``int(fraction * N)``
            slices in order, as the reference of SLMT-Net does, even if that cuts a subject in two.
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
        source: str,
        target: str,
        split: str | None = "train",
        size: int | None = 256,
        neighbours: int = 0,
        fraction: float = 1.0,
        fraction_by: FractionBy = "subjects",
        fraction_seed: int | None = None,
        min_foreground: float = 0.02,
        may_be_empty: bool = False,
    ) -> None:
        check_choice(fraction_by, get_args(FractionBy), name="fraction_by")
        check_fraction(fraction)
        if neighbours < 0:
            raise ValueError(f"neighbours must be >= 0, got {neighbours}")
        if fraction_by == "slices" and fraction_seed is not None:
            raise ValueError(f"fraction_by='slices' takes the first slices in order, got fraction_seed={fraction_seed}")
        super().__init__(
            selection=Selection.choose(
                manifest,
                split=split,
                contrasts=(source, target),
                at_least=2,
                fraction=fraction if fraction_by == "subjects" else 1.0,
                fraction_seed=fraction_seed,
                may_be_empty=may_be_empty,
            ),
            size=size,
            min_foreground=min_foreground,
            share=fraction if fraction_by == "slices" else 1.0,
            may_be_empty=may_be_empty,
        )
        self.source, self.target, self.neighbours = source, target, neighbours

    def __getitem__(self, index: int) -> dict[str, Tensor | int]:
        return {
            "image": self.read(index, contrast=0, neighbours=self.neighbours),
            "target": self.read(index, contrast=1),
            "index": index % len(self),
        }

    def describe(self, index: int) -> dict[str, str | int]:
        """Case, subject, both contrasts and slice number of item ``index``, for tables and pictures."""
        row, z = self.locate(index)
        case = {"case": row["case"], "subject": row["subject"]}
        return {**case, "source": self.source, "target": self.target, "slice": z}


class PairCropDataset(CaseCrops):
    """``crops_per_volume`` items for each case that has both contrasts, cut at the same place.

    Item ``i`` is ``{"image": float32 (1, D, H, W) in [0, 1], "target": (1, D, H, W), "index": i}``.

    Args:
        manifest: ``manifest.jsonl``, its folder, or a :class:`Manifest`.
        source: Contrast to start from.
        target: Contrast to arrive at.
        split: ``train``, ``val`` or ``test``; None takes all.
        size: Of a crop, (slices, rows, columns). A smaller volume is zero-padded, centred.
        crops_per_volume: Items a case and an epoch.
        seed: Of the positions.
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
        source: str,
        target: str,
        split: str | None = "train",
        size: tuple[int, int, int] = (32, 96, 96),
        crops_per_volume: int = 8,
        seed: int = 0,
        fraction: float = 1.0,
        fraction_seed: int | None = None,
        may_be_empty: bool = False,
    ) -> None:
        selection = Selection.choose(
            manifest,
            split=split,
            contrasts=(source, target),
            at_least=2,
            fraction=fraction,
            fraction_seed=fraction_seed,
            may_be_empty=may_be_empty,
        )
        super().__init__(selection=selection, size=size, crops_per_volume=crops_per_volume, seed=seed)
        self.source, self.target = source, target

    def __getitem__(self, index: int) -> dict[str, Tensor | int]:
        crops = self.read(index)  # (2, D, H, W)
        return {"image": crops[:1], "target": crops[1:], "index": index % len(self)}

    def describe(self, index: int) -> dict[str, str | int]:
        """Case, subject, both contrasts and middle slice of item ``index``, for tables and pictures."""
        row, (z, _, _) = self.locate(index)
        case = {"case": row["case"], "subject": row["subject"]}
        return {**case, "source": self.source, "target": self.target, "slice": (z.start + z.stop) // 2}
