"""Image tiles in class folders, or in a table, to a prepared data set: RGB, labels, split by patient where known.

What is written to ``out``::

    manifest.jsonl   one JSON object a shard, sorted by case (keys below)
    splits.csv       subject,split
    summary.csv      case,subject,split,tiles,size,classes,flags,seconds
    quarantine.csv   case,file,field,value,reason,remedy of every image or class folder that could not be used
    left_out.csv     file,reason of every other file that is not read
    prep.json        options, versions, counts
    shards/          <case>.npy uint8 (N, H, W, 3); <case>.json lets a run go on

A shard holds the tiles of one patient that have one size; where no patient is known those of one slide; where no slide
is known either, up to 2048 of one class and split. A row of the manifest has ``case``, ``subject``, ``session`` (null),
``split``, ``kind`` (``tiles``), ``shard``, ``shard_sha256``, ``dtype``, ``count``, ``size`` (H, W), ``tiles`` (columns
``name``, ``sha256``, ``label``, ``slide`` with an entry a tile), ``mpp`` (or null), ``options_sha256`` and ``flags``
(``no_patient``, and ``subject_is_slide`` or ``split_by_image``).

How an image becomes RGB is told in :mod:`medmae.data.images.decode`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from data_prep.command import main_of, prepare_with
from data_prep.outcome import NO_PATIENT, Row
from data_prep.preparation import Preparation
from data_prep.tile_case import TileTask, prepare_tiles
from data_prep.tile_files import find_tiles
from data_prep.tile_groups import Group, grouped
from data_prep.unit import FoundUnits
from data_prep.work import given_split

EXAMPLE = "NCT-CRC-HE/ prepared/ --mpp 0.5"


@dataclass(frozen=True, kw_only=True)
class TilePreparation(Preparation[Group]):
    """Prepares image tiles: RGB, labels, split by patient where one is known, shards and a manifest.

    Where folders (or the table) name splits these are kept, and a missing val is drawn from train.

    Args:
        source: Folder with ``[split/]class/image`` or ``[split/]image``, or a CSV with ``path`` and some of
            ``label,patient,slide,split``.
        label_from: Regular expression on file names whose first group is the class.
        slide_from: The same for the slide.
        mpp: Microns a pixel of the images, if known; it is recorded.
    """

    what = "shard"
    columns = ("tiles", "size", "classes")
    packages = ("numpy", "pillow", "distributed")
    work = staticmethod(prepare_tiles)

    label_from: str | None = None
    slide_from: str | None = None
    mpp: float | None = None

    def check(self) -> None:
        """Raises ValueError for options out of range."""
        if self.mpp is not None and not 0.01 <= self.mpp <= 50:
            raise ValueError(f"mpp must be from 0.01 to 50, got {self.mpp}")

    def find(self) -> FoundUnits[Group]:
        """The images of the source, by patient, slide, or class."""
        files, left = find_tiles(
            Path(self.source), label_from=self.label_from, slide_from=self.slide_from, given=self.given
        )
        subjects = {file.patient or file.slide or "" for file in files}
        given = None if self.split is None else given_split(self.split, subjects - {""})
        groups = grouped(files, given, fractions=self.fractions, seed=self.seed)
        return FoundUnits(units=tuple(groups), left_out=tuple(left))

    def owners(self, unit: Group) -> Mapping[Path, str]:
        """Of each image its class where folders are those of classes, else whose it is."""
        return {image.path: image.label or unit.subject for image in unit.images}

    def splits_of(self, units: Sequence[Group]) -> Mapping[str, str]:
        """The split of each group."""
        return {group.subject: group.split for group in units}

    def task(self, unit: Group) -> TileTask:
        """What a worker needs for one shard."""
        return TileTask(group=unit, shards=Path(self.out) / "shards", mpp=self.mpp)

    def line(self, row: Row) -> Row:
        """Its columns of ``summary.csv``."""
        labels = row["tiles"]["label"]
        classes = sorted({label for label in labels if label})
        return {
            "tiles": row["count"],
            "size": "x".join(str(n) for n in row["size"]),
            "classes": " ".join(f"{name}:{labels.count(name)}" for name in classes),
        }

    def notes(self, found: FoundUnits[Group], rows: Sequence[Row]) -> list[str]:
        """Whether patients are known, and what is left out."""
        notes = []
        if any(NO_PATIENT in group.flags for group in found.units):
            notes.append(
                "no patient is known, so images of one patient may be in train and in test, and held-out figures too "
                "good: name patients by --subject-from, or in a CSV with path,label,patient"
            )
        return notes


prepare = prepare_with(TilePreparation)
main = main_of(prepare, name="data_prep.tiles", example=EXAMPLE)

if __name__ == "__main__":
    main()
