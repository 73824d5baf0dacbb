"""MR and CT volumes to a prepared data set: one grid a case, [0, 1], split by patient, slice-major shards.

What is written to ``out``::

    manifest.jsonl   one JSON object a case, sorted by case (keys below)
    splits.csv       subject,split
    summary.csv      case,subject,split,session,contrasts,shape,spacing_mm,flags,seconds
    quarantine.csv   case,file,field,value,reason,remedy of every case, volume or folder that could not be used
    left_out.csv     file,reason of every other file that is not read
    prep.json        options, versions, counts
    shards/          <case>.npy (S, C, H, W) and <case>__<label>.npy (S, H, W); <case>.json lets a run go on

A row of the manifest has ``case``, ``subject``, ``session``, ``split``, ``origin`` (``real`` or
``simulated``, where that is known), ``shard``, ``shard_sha256``, ``dtype``, ``contrasts`` (name, source,
source_sha256, normalisation, flags, of CT in HU also ``outside_window``, the shares of the foreground ``below`` and
``above`` the window; in the order of the shard's axis C), ``labels``,
``grid`` (:class:`medmae.data.volumes.grid.Grid`), ``foreground`` (share of the head in each slice), ``options_sha256``
and ``flags``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from data_prep.case import CaseTask, Options, prepare_case
from data_prep.command import main_of, prepare_with
from data_prep.outcome import Row
from data_prep.preparation import Preparation
from data_prep.unit import FoundUnits
from medmae.data.identity.given import Given
from medmae.data.identity.headers import SALT
from medmae.data.left_out import LeftOut
from medmae.data.volumes.case import Case
from medmae.data.volumes.case_table import named_in_table
from medmae.data.volumes.claims import RUN_RULES, RunRule
from medmae.data.volumes.grid import Grid
from medmae.data.volumes.hounsfield import DEFAULT, NOT_HU, UNIT, CTWindow, is_ct
from medmae.data.volumes.intensity import Rule
from medmae.data.volumes.layouts import Layout, find_cases
from medmae.data.volumes.nifti import NanPolicy
from medmae.data.volumes.nifti_header import Repair
from medmae.errors import DataError, check_choice
from medmae.reading import LIMIT_GB

EXAMPLE = "raw/ prepared/ --resample-to T1"


@dataclass(frozen=True, kw_only=True)
class VolumePreparation(Preparation[Case]):
    """Prepares MR volumes: one grid a case, intensities in [0, 1], split by patient, shards and a manifest.

    Args:
        source: Folder with NIfTI files or DICOM series, or a CSV with ``subject[,session],contrast,path``.
        layout: ``auto``, ``bids``, ``folders``, ``dicom`` or ``csv`` (``subject[,session],contrast,path``).
        contrasts: Those that are wanted, such as ``T1,FLAIR``; None takes all.
        labels: The same of label maps; ``none`` takes none.
        run: Of runs of one contrast, whose names differ in a number, ``first`` or ``last`` counts, or each is a session
            (``all-as-sessions``); None takes the first, and counts the others as failures.
        resample_to: Contrast onto whose grid the others are resampled by their headers; None refuses unequal grids.
        dtype: Of the shards.
        nan: NaN and infinite voxels: ``error``, ``zero`` or ``median``.
        background: ``auto``, ``corner`` or ``otsu``, see docs/data.md.
        ct_window: What CT is scaled by, in Hounsfield units: ``brain``, ``soft``, ``lung``, ``bone``, ``wide`` or
            ``CENTRE,WIDTH``; CT in other units is refused then. None takes ``wide``, and flags such CT.
        margin: Voxels kept around the content of a case.
        repair_affine: ``"qform"`` replaces a singular sform.
        limit_gb: Largest uncompressed volume, in 10^9 bytes.
        zarr: zarr arrays instead of ``.npy``, for object stores.
    """

    columns = ("session", "contrasts", "shape", "spacing_mm")
    packages = ("numpy", "scipy", "scikit-image", "nibabel", "SimpleITK", "distributed", "zarr")
    work = staticmethod(prepare_case)

    layout: Layout = "auto"
    contrasts: str | None = None
    labels: str | None = None
    run: RunRule | None = None
    resample_to: str | None = None
    dtype: Literal["float16", "float32"] = "float16"
    nan: NanPolicy = "error"
    background: Rule = "auto"
    ct_window: str | None = None
    margin: int = 2
    repair_affine: Repair | None = None
    limit_gb: float = LIMIT_GB
    zarr: bool = False

    def check(self) -> None:
        """Raises ValueError for options out of range."""
        check_choice(self.dtype, ("float16", "float32"), name="dtype")
        check_choice(self.nan, ("error", "zero", "median"), name="nan")
        if self.run is not None:
            check_choice(self.run, RUN_RULES, name="run")
        check_choice(self.background, ("auto", "corner", "otsu"), name="background")
        if self.ct_window is not None:
            CTWindow.parse(self.ct_window)
        if self.repair_affine is not None:
            check_choice(self.repair_affine, ("qform",), name="repair_affine")
        if self.margin < 0 or not self.limit_gb > 0:
            raise ValueError(f"margin must be >= 0 and limit_gb > 0, got {self.margin} and {self.limit_gb}")

    @property
    def given(self) -> Given:
        """What the user says of patients: patterns are searched in paths."""
        return Given(subject_from=self.subject_from, subjects=self.subjects)

    def find(self) -> FoundUnits[Case]:
        """The cases of the source."""
        salt = None if self.dry_run else Path(self.out) / SALT
        found = find_cases(self.source, layout=self.layout, given=self.given, salt=salt, run=self.run)
        wanted = {"contrasts": _names(self.contrasts), "labels": _names(self.labels)}
        _check_known(wanted, found.cases, Path(self.source))
        if self.ct_window is not None:
            _check_ct(wanted["contrasts"], found.cases, Path(self.source))
        units, left, failed = [], list(found.left_out), []
        for case in found.cases:
            own, images, labels = case.only(**wanted)
            left += [LeftOut(path, "not among --contrasts") for one in images for path in one.files or (one.path,)]
            left += [LeftOut(one.path, "not among --labels") for one in labels]
            if own.contrasts or own.fault:
                units.append(own)
            else:
                failed.append((case.case, _without_wanted(case)))
        return FoundUnits(units=tuple(units), left_out=tuple(sorted(left)), failed=tuple(failed))

    def task(self, unit: Case) -> CaseTask:
        """What a worker needs for one case."""
        options = Options(
            resample_to=self.resample_to,
            dtype=self.dtype,
            nan=self.nan,
            limit_gb=self.limit_gb,
            background=self.background,
            margin=self.margin,
            repair_affine=self.repair_affine,
            zarr=self.zarr,
            ct_window=CTWindow.parse(self.ct_window or DEFAULT)
            if any(is_ct(one.name) for one in unit.contrasts)
            else None,
            require_hu=self.ct_window is not None,
        )
        return CaseTask(case=unit, shards=Path(self.out) / "shards", options=options)

    def notes(self, found: FoundUnits[Case], rows: Sequence[Row]) -> list[str]:
        """By which window CT was scaled where nobody said it, and which CT is not in HU."""
        contrasts = [one for row in rows for one in row["contrasts"]]
        other = sum(NOT_HU in one["flags"] for one in contrasts)
        wide = self.ct_window is None and any(one["normalisation"].get("unit") == UNIT for one in contrasts)
        told = (
            f"CT is scaled by the window {DEFAULT}, -1024 to 1976 HU, which keeps all tissue; --ct-window takes another"
        )
        lost = f"{other} CT not in Hounsfield units, scaled by percentiles ({NOT_HU} in summary.csv); see docs/ct.md"
        return [*super().notes(found, rows), *([told] if wide else []), *([lost] if other else [])]

    def line(self, row: Row) -> Row:
        """Its columns of ``summary.csv``; shape and spacing are those of the stored array (z, y, x)."""
        grid = Grid.from_dict(row["grid"])
        return {
            "session": row["session"] or "",
            "contrasts": " ".join(contrast["name"] for contrast in row["contrasts"]),
            "shape": "x".join(str(n) for n in grid.stored_shape),
            "spacing_mm": "x".join(f"{mm:.3g}" for mm in grid.spacing),
            "flags": [
                *row["flags"],
                *(
                    f"{one['name']}:{flag}"
                    for one in (*row["contrasts"], *row["labels"])
                    for flag in one.get("flags", ())
                ),
            ],
        }


def _names(said: str | None) -> frozenset[str] | None:
    """Names as they stand in the data set, however a user spells them."""
    if said is None:
        return None
    return frozenset(named_in_table(name.strip())[0] for name in said.split(",") if name.strip().lower() != "none")


def _check_known(wanted: Mapping[str, frozenset[str] | None], cases: Sequence[Case], source: Path) -> None:
    """Refuses the name of a contrast or label map that no case has: a misspelt one would leave all of it out."""
    for option, label in (("contrasts", False), ("labels", True)):
        names = {one.name for case in cases for one in (case.labels if label else case.contrasts)}
        names |= {one.name for case in cases for one in case.lost if one.label == label}
        unknown = sorted((wanted[option] or frozenset()) - names)
        if unknown:
            raise DataError(
                "no case has what is wanted",
                path=source,
                field=f"--{option}",
                value=unknown,
                remedy=f"there are {', '.join(sorted(names)) or 'none'}",
            )


def _check_ct(wanted: frozenset[str] | None, cases: Sequence[Case], source: Path) -> None:
    """Refuses a window where there is no CT that it could be of."""
    names = {one.name for case in cases for one in case.contrasts}
    names |= {one.name for case in cases for one in case.lost if not one.label}
    if not any(is_ct(name) and (wanted is None or name in wanted) for name in names):
        raise DataError(
            "a window is for CT, and no case has any",
            path=source,
            field="--ct-window",
            value=sorted(names),
            remedy="leave --ct-window out, or name the contrast CT: in file names, or in a CSV",
        )


def _without_wanted(case: Case) -> DataError:
    return DataError(
        "it has none of the contrasts that are wanted",
        path=case.contrasts[0].path if case.contrasts else None,
        field="--contrasts",
        value=[one.name for one in case.contrasts],
        remedy="name more contrasts, or take the case out of the source",
    )


prepare = prepare_with(VolumePreparation)
main = main_of(prepare, name="data_prep.mr", example=EXAMPLE)

if __name__ == "__main__":
    main()
