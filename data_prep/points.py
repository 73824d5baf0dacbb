"""Shapes to a prepared data set: every file read once, sampled by area, cut into patches, split by patient.

What is written to ``out``::

    manifest.jsonl   one JSON object a shape, sorted by case (keys below)
    splits.csv       subject,split
    summary.csv      case,subject,split,label,radius,volume_ml,source_points,source_faces,flags,seconds
    quarantine.csv   case,file,field,value,reason,remedy of every shape that could not be used
    left_out.csv     file,reason of every other file that is not read
    prep.json        options, versions, counts
    shards/          <case>.npy float32 (S, N, 3); <case>__patches.npy (S, G, K); <case>.json lets a run go on

A row of the manifest has ``case``, ``subject``, ``session``, ``split``, ``kind`` (``shape``), ``source``,
``source_sha256`` (``file_sha256`` of shapes of an array), ``content_sha256`` (of all points as read), ``shard``,
``shard_sha256``, ``dtype``, ``place`` (in the shard), ``points``, ``patches`` (``shard``, ``count``, ``size``),
``size`` (``kept`` or ``removed``), ``unit`` (``mm`` where size was kept), ``centre`` and ``radius`` (in millimetres, or
in the unit of the file where nobody says it: multiplied by the radius where size was removed, and moved by the centre,
points are where they were), ``box``, ``volume_ml`` (of closed surfaces and of masks), ``source_unit``,
``source_points``, ``source_faces``, ``form`` (numbers that place, turn, side and size do not change), ``structure``
(label of a segmentation), ``label``, ``value``, ``options_sha256``
and ``flags`` (docs/data.md says what each means).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import get_args

from data_prep.command import main_of, prepare_with
from data_prep.outcome import Row
from data_prep.points_case import SPLIT_BY_SHAPE, PointTask, prepare_points
from data_prep.points_files import LAYOUTS, Layout, find_shapes
from data_prep.points_shapes import ShapeOptions, Size
from data_prep.recordings import RecordingPreparation, flagged, nobody_known, units_of
from data_prep.unit import FoundUnits
from data_prep.video_source import VideoSource
from medmae.data.points.form import twins_among
from medmae.data.points.meshes import Unit
from medmae.data.points.rows import SIZES
from medmae.errors import check_choice

EXAMPLE = "segmentations/ prepared/ --subject-from '^(p[0-9]+)_'"


@dataclass(frozen=True, kw_only=True)
class PointPreparation(RecordingPreparation):
    """Prepares a folder (or table) of meshes, clouds or segmentations, or a file of many clouds or masks.

    Where folders, lists or the table name splits these are kept, and a missing val is drawn from train.

    Args:
        source: Folder with ``[split/]class/shape`` (off, ply, stl, obj, vtk, npy, text; NIfTI and DICOM SEG, whose
            labels become surfaces); a collection that is known by its names (ModelNet, ShapeNet55, MedShapeNet); an npz
            or HDF5 of clouds or masks (ModelNet40, ScanObjectNN, MedMNIST3D); or a table with ``path`` and some of
            ``label,value,split,subject``.
        layout: Which collection it is; ``auto`` looks, ``folder`` takes the source as it lies.
        root: Where the paths of a table start; None takes the folder of the table.
        subject_column: Column of the table that must not be cut in two, such as a site; None takes ``subject``,
            ``patient`` or ``group``.
        label_column: Column of the table that is the class; None takes ``label`` or ``class``.
        value_column: Column of the table to predict by regression; None takes ``value``.
        points: That are sampled of each shape: of surfaces evenly by area, of clouds without return.
        patches: That are cut, so that training does not look for them; 0 cuts none.
        patch_points: Of each.
        size: ``kept``, in millimetres, so that an enlarged organ stays enlarged; or ``removed``, a radius of 1.
        unit: Of files that do not say theirs: mm, cm, m or inch; segmentations are in millimetres.
        voxel_mm: Edge of a voxel of arrays of masks, which do not say it.
        labels: Labels of segmentations, with commas between; None takes all.
        limit_gb: Most memory that one file may take, in 10^9 bytes.
        limit_s: Seconds after which the reader of a file is taken to hang.
    """

    what = "shape"
    columns = ("label", "radius", "volume_ml", "source_points", "source_faces")
    packages = ("numpy", "scikit-image", "trimesh", "highdicom", "nibabel", "h5py", "distributed")
    work = staticmethod(prepare_points)
    task_of = PointTask

    layout: Layout = "auto"
    points: int = 2048
    patches: int = 32
    patch_points: int = 64
    size: Size = "kept"
    unit: Unit | None = None
    voxel_mm: float | None = None
    labels: str | None = None
    limit_gb: float = 4.0
    limit_s: float = 600.0

    @property
    def stored(self) -> ShapeOptions:
        """What shapes the shards."""
        return ShapeOptions(
            points=self.points,
            patches=self.patches,
            patch_points=self.patch_points,
            size=self.size,
            unit=self.unit,
            voxel_mm=self.voxel_mm,
            labels=tuple(filter(None, (self.labels or "").split(","))),
            seed=self.seed,
            limit_gb=self.limit_gb,
        )

    def check(self) -> None:
        """Raises ValueError for options out of range."""
        check_choice(self.layout, LAYOUTS, name="layout")
        check_choice(self.size, SIZES, name="size")
        if self.unit is not None:
            check_choice(self.unit, get_args(Unit), name="unit")
        most = max(self.patches, self.patch_points)
        if min(self.patches, self.patch_points - 1, self.points - most) < 0 or not 16 <= self.points <= 2**20:
            raise ValueError(
                "points must lie from 16 to 1048576, and patches and patch_points below them, got "
                f"{self.points}, {self.patches}, {self.patch_points}"
            )
        if min(self.limit_gb, self.limit_s) <= 0 or (self.voxel_mm is not None and not 0 < self.voxel_mm < 1000):
            raise ValueError(
                f"limit_gb, limit_s and voxel_mm must be > 0, got {self.limit_gb}, {self.limit_s}, {self.voxel_mm}"
            )

    def find(self) -> FoundUnits[VideoSource]:
        """The shapes of the source."""
        return units_of(find_shapes(Path(self.source), salt=self.salt, layout=self.layout, **self.asked))

    def splits_of(self, units: Sequence[VideoSource]) -> Mapping[str, str]:
        """See :meth:`RecordingPreparation.splits_of`; shapes of an array are subjects of their own."""
        return super().splits_of([one for unit in units for one in _subjects_of(unit)])

    def usable(self, rows: list[Row]) -> tuple[list[Row], list[Row]]:
        """All but copies of others in arrays, from which nobody can delete them; the summary lists these."""
        first: dict[str, str] = {}
        kept, copies = [], []
        for row in rows:
            case = first.setdefault(row["content_sha256"], row["case"])
            if case == row["case"] or SPLIT_BY_SHAPE not in row["flags"]:
                kept.append(row)
            else:
                copies.append({**row, "flags": [*row["flags"], f"copy_of:{case}"]})
        return kept, copies

    def line(self, row: Row) -> Row:
        """Its columns of ``summary.csv``."""
        radius = f"{row['radius']:.4g}{' mm' if row['source_unit'] else ''}"
        own = {name: "" if row[name] is None else row[name] for name in ("label", "volume_ml", *self.columns[3:])}
        return {**own, "radius": radius}

    def notes(self, found: FoundUnits[VideoSource], rows: Sequence[Row]) -> list[str]:
        """Whether patients and sizes are known, and what is wrong with surfaces."""
        told = "is kept, in millimetres" if self.size == "kept" else "was removed: an enlarged organ is one no more"
        known = [*found.notes, *nobody_known(rows, "shapes"), *_twins(rows)]
        return [*known, f"size {told}", *flagged(rows, "shapes", _WORDS)]


_WORDS = {  # flag -> what it means
    "touches_border": "touch the border of their volume, and were closed there: the organ goes on",
    "not_closed": "are not closed: they have no volume",
    "not_manifold": "have edges of more than two triangles",
    "not_finite": "had points that were no numbers, which were left out",
    "duplicates": "had points more than once, which were left out",
    "points_repeated": "have fewer points than were asked for, which were repeated",
    "implausible_radius_mm": "are smaller than 1 mm or larger than 2.5 m: is --unit right?",
}


def _twins(rows: Sequence[Row]) -> list[str]:
    """A note of shapes of different subjects that are one, whatever way they lie."""
    whose = {row["case"]: row["subject"] for row in rows}
    pairs = [
        pair for pair in twins_among({row["case"]: row["form"] for row in rows}) if whose[pair[0]] != whose[pair[1]]
    ]
    if not pairs:
        return []
    shown = ", ".join(" = ".join(pair) for pair in pairs[:5])
    told = "shapes of different subjects are one but for place, turn, side or size, and may be in train and in test"
    return [f"{len(pairs)} {told}: {shown}"]


def _subjects_of(unit: VideoSource) -> list[VideoSource]:
    if unit.known or "array" not in dict(unit.about):
        return [unit]
    subjects = dict(unit.about).get("subjects")
    if isinstance(subjects, tuple):
        pairs = zip(subjects, unit.segments, strict=True)
        return [replace(unit, subject=subject, known=True, segments=(one,)) for subject, one in pairs]
    return [replace(unit, subject=f"{unit.case}_{one.name}", segments=(one,)) for one in unit.segments]


prepare = prepare_with(PointPreparation)
main = main_of(prepare, name="data_prep.points", example=EXAMPLE)

if __name__ == "__main__":
    main()
