"""MR (and CT) volumes to a prepared data set: one grid a case, [0, 1], split by patient, slice-major shards.

What is written to ``out``::

    manifest.jsonl   one JSON object a case, sorted by case (keys below)
    splits.csv       subject,split
    summary.csv      case,subject,session,split,contrasts,shape,spacing_mm,flags,seconds
    quarantine.csv   case,file,field,value,reason,remedy of every case that could not be used
    prep.json        options, versions, counts, ignored files
    shards/          <case>.npy (S, C, H, W) and <case>__<label>.npy (S, H, W); <case>.json lets a run go on

A row of the manifest has ``case``, ``subject``, ``session``, ``split``, ``shard``, ``shard_sha256``, ``dtype``,
``contrasts`` (name, source, source_sha256, normalisation, flags; in the order of the shard's axis C), ``labels``,
``grid`` (:class:`medmae.data.volumes.grid.Grid`), ``foreground`` (share of the head in each slice), ``options_sha256``
and ``flags``.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

from rich.console import Console

from data_prep.case import CaseTask, Options, prepare_case
from data_prep.command import run_prepare
from data_prep.outcome import PrepResult, manifest_rows, result_of, write_record, write_tables
from data_prep.tables import print_summary
from data_prep.work import (
    check_names,
    check_writable,
    given_split,
    nothing_usable,
    run_cases,
    workers_for,
)
from medmae.data import splits
from medmae.data.identity.given import Given
from medmae.data.identity.headers import SALT
from medmae.data.manifest import NAME
from medmae.data.volumes.case import Case
from medmae.data.volumes.grid import Grid
from medmae.data.volumes.intensity import Rule
from medmae.data.volumes.layouts import Layout, find_cases
from medmae.data.volumes.nifti import LIMIT_GB, NanPolicy
from medmae.data.volumes.nifti_header import Repair

EXAMPLE = "raw/ prepared/ --resample-to T1"
_COLUMNS = ("case", "subject", "session", "split", "contrasts", "shape", "spacing_mm", "flags", "seconds")
_SHOWN = {name: name for name in ("case", "split", "contrasts", "shape")} | {"mm": "spacing_mm", "flags": "flags"}
_PACKAGES = ("numpy", "scipy", "scikit-image", "nibabel", "SimpleITK", "distributed", "zarr")


def prepare(
    *,
    source: str | Path,
    out: str | Path,
    layout: Layout = "auto",
    subject_from: str | None = None,
    subjects: str | Path | None = None,
    resample_to: str | None = None,
    split: str | Path | None = None,
    fractions: tuple[float, float, float] = splits.FRACTIONS,
    seed: int = 0,
    dtype: Literal["float16", "float32"] = "float16",
    nan: NanPolicy = "error",
    background: Rule = "auto",
    margin: int = 2,
    repair_affine: Repair | None = None,
    limit_gb: float = LIMIT_GB,
    zarr: bool = False,
    workers: int | None = None,
    scheduler: str | None = None,
    console: Console | None = None,
) -> PrepResult:
    """Prepares MR volumes: one grid a case, intensities in [0, 1], split by patient, shards and a manifest.

    A case that cannot be used is quarantined and the others go on. A case whose files and options are those of an
    earlier run is kept.

    Args:
        source: Folder with NIfTI files or DICOM series, or a CSV with ``subject[,session],contrast,path``.
        out: Folder to write; made if it is not there.
        layout: ``auto``, ``bids``, ``folders``, ``dicom`` or ``csv``.
        subject_from: Regular expression on paths below the source, whose first group is the patient; PatientID takes
            a salted hash of what DICOM files say.
        subjects: CSV with ``path,subject[,session][,contrast]``; a folder stands for all that lies in it.
        resample_to: Contrast onto whose grid the others are resampled by their headers; None refuses unequal grids.
        split: CSV with ``subject,split``; None draws one from ``seed``.
        fractions: Shares of train, val, test of a drawn split, in whole subjects.
        seed: Of a drawn split.
        dtype: Of the shards.
        nan: NaN and infinite voxels: ``error``, ``zero`` or ``median``.
        background: ``auto``, ``corner`` or ``otsu``, see docs/data.md.
        margin: Voxels kept around the content of a case.
        repair_affine: ``"qform"`` replaces a singular sform.
        limit_gb: Largest uncompressed volume, in 10^9 bytes.
        zarr: zarr arrays instead of ``.npy``, for object stores.
        workers: Processes; 0 works in this one; None chooses.
        scheduler: Address of a running Dask scheduler.
        console: Where progress and tables go; None prints to the standard error stream.

    Raises:
        DataError: If nothing can be used, the split does not cover the subjects, or a patient would be in two splits.
        ValueError: If an argument is out of range.
    """
    console = console or Console(stderr=True)
    options = Options(
        resample_to=resample_to,
        dtype=dtype,
        nan=nan,
        limit_gb=limit_gb,
        background=background,
        margin=margin,
        repair_affine=repair_affine,
        zarr=zarr,
    )
    _check_arguments(options, fractions)
    out = Path(out)
    given_subjects = Given(subject_from=subject_from, subjects=subjects)
    found = find_cases(source, layout=layout, given=given_subjects, salt=out / SALT)
    names = [case.case for case in found.cases]
    check_names(names)
    given = None if split is None else given_split(split, (case.subject for case in found.cases))
    check_writable(out)
    tasks = [CaseTask(case=case, shards=out / "shards", options=options) for case in found.cases]
    workers = workers_for(workers, _files(found.cases))
    outcome = run_cases(prepare_case, tasks, names=names, workers=workers, scheduler=scheduler, console=console)
    failures = outcome.write_quarantine(out, names)
    if not outcome.done:
        raise nothing_usable(outcome.failed, out, source)
    rows = manifest_rows(outcome.rows, given, fractions=fractions, seed=seed, manifest=out / NAME)
    lines = [_line(row, outcome.seconds[row["case"]]) for row in rows]
    write_tables(rows, lines, _COLUMNS, out)
    result = result_of(rows, outcome, out, ignored=found.ignored)
    write_record(
        result, asdict(options), source=source, split=split, fractions=fractions, seed=seed, packages=_PACKAGES
    )
    print_summary(console, lines, _SHOWN, failures, result.manifest, notes=_notes(found.ignored))
    return result


def _check_arguments(options: Options, fractions: tuple[float, float, float]) -> None:
    if options.dtype not in ("float16", "float32"):
        raise ValueError(f"dtype must be float16 or float32, got {options.dtype!r}")
    if options.nan not in ("error", "zero", "median"):
        raise ValueError(f"nan must be error, zero or median, got {options.nan!r}")
    if options.background not in ("auto", "corner", "otsu"):
        raise ValueError(f"background must be auto, corner or otsu, got {options.background!r}")
    if options.repair_affine not in (None, "qform"):
        raise ValueError(f"repair_affine must be qform, got {options.repair_affine!r}")
    if options.margin < 0 or options.limit_gb <= 0:
        raise ValueError(f"margin must be >= 0 and limit_gb > 0, got {options.margin} and {options.limit_gb}")
    splits.split_by_subject((), fractions=fractions)


def _files(cases: list[Case]) -> list[Path]:
    sources = [source for case in cases for source in (*case.contrasts, *case.labels)]
    return [file for source in sources for file in (source.files or (source.path,))]


def _line(row: dict[str, Any], seconds: float) -> dict[str, Any]:
    """One line of ``summary.csv``; shape and spacing are those of the stored array (z, y, x)."""
    grid = Grid.from_dict(row["grid"])
    flags = [*row["flags"], *(f"{c['name']}:{flag}" for c in row["contrasts"] for flag in c["flags"])]
    return {
        "case": row["case"],
        "subject": row["subject"],
        "session": row["session"] or "",
        "split": row["split"],
        "contrasts": " ".join(contrast["name"] for contrast in row["contrasts"]),
        "shape": "x".join(str(n) for n in grid.stored_shape),
        "spacing_mm": "x".join(f"{mm:.3g}" for mm in grid.spacing),
        "flags": " ".join(flags),
        "seconds": f"{seconds:.2f}",
    }


def _notes(ignored: list[Path]) -> list[str]:
    names = ", ".join(path.name for path in ignored[:5]) + (" …" if len(ignored) > 5 else "")
    return [f"{len(ignored)} volumes without a known contrast in their names are ignored: {names}"] if ignored else []


def main(arguments: list[str] | None = None) -> None:
    """``python -m data_prep.mr SOURCE OUT``: a user's mistake is one message and exit code 2, without a traceback.

    Raises:
        SystemExit: Always, with one of :class:`medmae.errors.ExitCode`.
    """
    run_prepare(prepare, name="data_prep.mr", example=EXAMPLE, arguments=arguments)


if __name__ == "__main__":
    main()
