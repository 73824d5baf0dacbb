"""Faces to a prepared data set: upright crops, action units and landmarks of every frame, split by person.

What is written to ``out``::

    manifest.jsonl   one JSON object a recording, sorted by case (keys below)
    splits.csv       subject,split
    summary.csv      case,subject,split,frames,units,flags,seconds
    quarantine.csv   case,file,field,value,reason,remedy of every frame or recording that could not be used
    left_out.csv     file,reason of every other file that is not read
    prep.json        options, versions, counts
    shards/          <case>.npy uint8 (F, S, S, 3); <case>.measures.npy float32 (F, 136 + 2 N); <case>.json

A row of the manifest has ``case``, ``subject``, ``session``, ``split``, ``kind`` (``face``), ``source``,
``source_sha256``, ``content_sha256``, ``shard``, ``shard_sha256``, ``dtype``, ``count`` (F), ``size`` (S), ``units``
(N names), ``names`` (of frames), ``expressions``, ``coords`` and ``coords_sha256`` (the measures: x and y of 68
landmarks in shares of the crop, whether each unit is active, how intense it is; NaN is not known), ``options_sha256``
and ``flags`` (``model_labels``: a program's, not a person's; ``detected:n``; ``lost:n``; ``without_picture:n``;
``no_patient``).

Faces identify people. Nothing is sent anywhere, and no picture leaves the folder ``out``: keep it as safe as the
source.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import get_args

from data_prep.class_shelves import check_shelves, deeper
from data_prep.command import main_of, prepare_with
from data_prep.face_align import Align
from data_prep.face_case import FaceOptions, FaceTask, prepare_face
from data_prep.face_folds import Folds, held_out_in
from data_prep.face_layouts import Layout, layout_of, recordings
from data_prep.face_source import FaceSource
from data_prep.outcome import NO_PATIENT, Row
from data_prep.preparation import Preparation
from data_prep.unit import FoundUnits
from data_prep.video_patients import unit_at
from data_prep.work import given_split
from medmae.data import splits
from medmae.data.identity.files import patients_of
from medmae.data.left_out import OTHER_FILE, LeftOut, passed_over_in
from medmae.data.tree import files_below, require_there
from medmae.errors import DataError, check_choice

EXAMPLE = "DISFA/ prepared/ --fold 1"
HELD_BACK = 0.15  # of the people of training: the validation, which the published folds do not have


@dataclass(frozen=True, kw_only=True)
class FacePreparation(Preparation[FaceSource]):
    """Prepares faces: crops, action units, landmarks, split by person; frames of a person are never on both sides.

    Args:
        source: Folder of BP4D, DISFA, of videos with tables of OpenFace or py-feat, or of pictures in
            ``[split/][expression/]``; or a table with ``path`` and some of ``subject,split,label``, units, landmarks.
        layout: Which it is; ``auto`` looks.
        size: Pixels of a crop along each axis.
        align: ``landmarks`` turns and scales by eyes and nose, ``detect`` takes a detector's box, ``auto`` the first
            where there are landmarks; ``none`` takes pictures as they are.
        every: Of each recording every n-th frame; neighbours are nearly copies.
        fold: Published fold of BP4D or DISFA (1, 2 or 3); 15 % of the others become the validation.
        folds: Whose: ``me_graphau``, or ``fmae``, whose numbers cannot be compared with theirs.
    """

    what = "recording"
    columns = ("frames", "units")
    packages = ("numpy", "pillow", "scikit-image", "distributed")
    work = staticmethod(prepare_face)

    layout: Layout = "auto"
    size: int = 256
    align: Align = "auto"
    every: int = 1
    fold: int | None = None
    folds: Folds = "me_graphau"

    def check(self) -> None:
        """Raises ValueError for options out of range."""
        check_choice(self.layout, get_args(Layout), name="layout")
        check_choice(self.align, get_args(Align), name="align")
        check_choice(self.folds, get_args(Folds), name="folds")
        if not 16 <= self.size <= 1024 or self.every < 1:
            raise ValueError(f"size must be from 16 to 1024 and every positive, got {self.size}, {self.every}")
        if self.fold is not None and self.split is not None:
            raise ValueError("a published fold and --split both name splits: drop one")

    def find(self) -> FoundUnits[FaceSource]:
        """The recordings of the source."""
        source = Path(self.source)
        require_there(source)
        layout = layout_of(source) if self.layout == "auto" else self.layout
        found = recordings(source, layout)
        if not found:
            raise DataError(
                "there are no faces here",
                path=source,
                field="layout",
                value=layout,
                remedy="see docs/data.md for the layouts that are read",
            )
        if self.fold is not None:
            tested = held_out_in(layout, self.fold, folds=self.folds)
            found = [replace(one, split="test" if one.subject in tested else None) for one in found]
        used = {file for one in found for file in one.files}
        left: list[LeftOut] = []
        if source.is_dir():
            left = [*passed_over_in(source), *(LeftOut(f, OTHER_FILE) for f in files_below(source) if f not in used)]
        units, notes = self._with_people(found)
        return FoundUnits(units=tuple(units), left_out=tuple(left), notes=notes if layout == "pictures" else ())

    def splits_of(self, units: Sequence[FaceSource]) -> Mapping[str, str]:
        """Of the file, else of folds, folders or table, else drawn by person."""
        if self.split is not None:
            return given_split(self.split, (unit.subject for unit in units))
        splits.check_disjoint(((unit.subject, unit.split) for unit in units if unit.split), path=self.source)
        own = {unit.subject: unit.split for unit in units}
        if self.fold is None:
            return splits.completed(own, fractions=self.fractions, seed=self.seed)
        people = sorted(name for name, split in own.items() if split != "test")
        people.sort(key=lambda name: zlib.crc32(f"{self.seed} {name}".encode()))
        held = set(people[: max(1, round(HELD_BACK * len(people)))])
        return {name: split or ("val" if name in held else "train") for name, split in own.items()}

    def task(self, unit: FaceSource) -> FaceTask:
        """What a worker needs for one recording."""
        options = FaceOptions(size=self.size, align=self.align, every=self.every)
        return FaceTask(source=unit, shards=Path(self.out) / "shards", options=options)

    def line(self, row: Row) -> Row:
        """Its columns of ``summary.csv``."""
        return {"frames": row["count"], "units": len(row["units"])}

    def owners(self, unit: FaceSource) -> Mapping[Path, str]:
        """Of each file its expression where folders are those of expressions, else whose it is."""
        return dict.fromkeys(unit.files, next(iter(unit.coded.expressions), "") or unit.subject)

    def notes(self, found: FoundUnits[FaceSource], rows: Sequence[Row]) -> list[str]:
        """Whether people are known, whose labels they are, and what was found by a detector."""
        notes = list(found.notes)
        if any(NO_PATIENT in row["flags"] for row in rows):
            notes.append(
                "no person is known, so pictures of one may be in train and in test, and held-out figures too good: "
                "name people by --subject-from, or in a table with path,subject"
            )
        modelled = sum("model_labels" in row["flags"] for row in rows)
        if modelled:
            notes.append(f"units of {modelled} recordings are what a program says, and no person's codes")
        boxes = sum(int(f.partition(":")[2]) for row in rows for f in row["flags"] if f.startswith("detected:"))
        if boxes:
            notes.append(f"{boxes} faces have no landmarks and were cropped by a detector's box, which knows no turn")
        return notes

    def _with_people(self, found: Sequence[FaceSource]) -> tuple[list[FaceSource], tuple[str, ...]]:
        """With subjects: of layouts that name them, else what the user says, else each recording its own; and notes."""
        if all(one.known for one in found) and not self.given.says:
            return list(found), ()
        source, split = Path(self.source), any(one.split for one in found)
        stems = [one.name.rpartition(".")[0] or one.name for one in found]
        said = [expression for one in found for expression in one.coded.expressions]
        check_shelves(
            stems,
            source,
            classes=[expression or None for expression in said],
            splits=split,
            known=any(one.known for one in found),
            given=self.given,
        )
        people = patients_of([unit_at(stem, split=split) for stem in stems], source=source, given=self.given)
        notes = deeper([] if any(said) else stems, splits=split)
        if None in people:
            return [one if one.known else replace(one, subject=one.case) for one in found], notes
        return [replace(one, subject=str(name), known=True) for one, name in zip(found, people, strict=True)], notes


prepare = prepare_with(FacePreparation)
main = main_of(prepare, name="data_prep.faces", example=EXAMPLE)

if __name__ == "__main__":
    main()
