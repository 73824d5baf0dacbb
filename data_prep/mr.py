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
``grid`` (:class:`medmae.data.grid.Grid`), ``foreground`` (share of the head in each slice), ``options_sha256`` and
``flags``.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from data_prep.case import CaseTask, Options, prepare_case
from data_prep.engine import run_tasks
from data_prep.layouts import Case, Layout, find_cases
from data_prep.outcome import Outcome, PrepResult, manifest_rows, result_of, write_record, write_tables
from data_prep.tables import (
    QUARANTINE_COLUMNS,
    failure_row,
    print_summary,
    write_csv,
)
from medmae.data import splits
from medmae.data.intensity import Rule
from medmae.data.manifest import NAME
from medmae.data.nifti import LIMIT_GB, NanPolicy
from medmae.data.nifti_header import Repair
from medmae.errors import DataError, ExitCode
from medmae.files import write_text

_SMALL_JOB = 100_000_000  # bytes of compressed sources: about ten seconds of work


def prepare(
    *,
    source: str | Path,
    out: str | Path,
    layout: Layout = "auto",
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
    """Prepares a folder (or table) of volumes.

    A case that cannot be used is quarantined and the others go on. A case whose files and options are those of an
    earlier run is kept.

    Args:
        source: Folder with NIfTI files or DICOM series, or a CSV with ``subject[,session],contrast,path``.
        out: Folder to write; made if it is not there.
        layout: ``auto``, ``bids``, ``folders``, ``dicom`` or ``csv``.
        resample_to: Contrast onto whose grid the others are resampled by their headers; None refuses unequal grids.
        split: CSV with ``subject,split``; None draws one from ``seed``.
        fractions: Shares of train, val, test of a drawn split, in whole subjects.
        seed: Of a drawn split.
        dtype: Of the shards.
        nan: NaN and infinite voxels: ``error``, ``zero`` or ``median``.
        background: ``auto``, ``corner`` or ``otsu``, see :class:`medmae.data.intensity.Normalisation`.
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
    found = find_cases(source, layout=layout)
    _check_names(found.cases)
    given = None if split is None else _given_split(Path(split), found.cases)
    _check_writable(out)
    tasks = [CaseTask(case=case, shards=out / "shards", options=options) for case in found.cases]
    outcome = _run(tasks, workers=_workers(workers, tasks), scheduler=scheduler, console=console)
    failures = [failure_row(found.cases[i].case, error) for i, error in sorted(outcome.failed.items())]
    write_csv(out / "quarantine.csv", QUARANTINE_COLUMNS, failures)
    if not outcome.done:
        raise _nothing(outcome.failed, out, source)
    rows = manifest_rows(outcome, given, fractions=fractions, seed=seed, manifest=out / NAME)
    write_tables(rows, outcome, out)
    result = result_of(rows, outcome, found, out)
    write_record(result, options, source=source, split=split, fractions=fractions, seed=seed)
    print_summary(console, rows, failures, result.manifest, ignored=result.ignored)
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


def _check_names(cases: list[Case]) -> None:
    names = [case.case for case in cases]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise DataError("different cases have the same name", field="case", value=twice, remedy="rename their subjects")


def _given_split(path: Path, cases: list[Case]) -> dict[str, str]:
    given = splits.read(path)
    missing = sorted({case.subject for case in cases} - set(given))
    if missing:
        raise DataError(
            f"{len(missing)} subjects have no split: {', '.join(missing[:20])}",
            path=path,
            field="subject",
            value=len(missing),
            remedy="add a line for each of them",
        )
    return given


def _check_writable(out: Path) -> None:
    """Fails before the work rather than after it."""
    probe = out / ".write_probe"
    try:
        write_text(probe, "")
        probe.unlink()
    except OSError as error:
        raise DataError(
            f"the output folder cannot be written ({error.strerror})", path=out, remedy="choose another"
        ) from error


def _workers(workers: int | None, tasks: list[CaseTask]) -> int | None:
    """Keeps small jobs in this process: starting a cluster costs more than reading them."""
    if workers is not None:
        return workers
    sources = [source for task in tasks for source in (*task.case.contrasts, *task.case.labels)]
    files = [file for source in sources for file in (source.files or (source.path,))]
    return 0 if sum(file.stat().st_size for file in files if file.is_file()) < _SMALL_JOB else None


def _run(tasks: list[CaseTask], *, workers: int | None, scheduler: str | None, console: Console) -> Outcome:
    outcome = Outcome()
    with _progress(console, len(tasks)) as advance:
        for index, result in run_tasks(prepare_case, tasks, workers=workers, scheduler=scheduler):
            if isinstance(result, ModuleNotFoundError):  # the machine is at fault, not the case
                raise result
            if isinstance(result, Exception):
                outcome.failed[index] = result
            else:
                outcome.done[index] = result
            advance(tasks[index].case.case, len(outcome.failed))
    return outcome


@contextmanager
def _progress(console: Console, total: int) -> Iterator[Any]:
    columns = (
        TextColumn("preparing"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("cases"),
        TimeElapsedColumn(),
        TextColumn("ETA"),
        TimeRemainingColumn(),
        TextColumn("{task.description}"),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=total)

        def advance(case: str, failed: int) -> None:
            bar.update(task, advance=1, description=f"{case}" + (f" [red]{failed} failed[/]" if failed else ""))

        yield advance


def _nothing(failed: dict[int, Exception], out: Path, source: str | Path) -> Exception:
    """The error of a run in which no case could be used: of a single case, its own."""
    first = failed[min(failed)]
    if len(failed) == 1:
        return first if isinstance(first, DataError) else DataError(f"{type(first).__name__}: {first}", path=source)
    return DataError(
        f"none of the {len(failed)} cases can be used; the first: {first}",
        path=source,
        remedy=f"read {out / 'quarantine.csv'}",
    )


def command(
    source: Annotated[Path, typer.Argument(help="Folder of NIfTI or DICOM, or a CSV: subject,session,contrast,path.")],
    out: Annotated[Path, typer.Argument(help="Folder to write.")],
    layout: Annotated[str, typer.Option(help="auto, bids, folders, dicom or csv.")] = "auto",
    resample_to: Annotated[
        str | None, typer.Option(help="Resample a case's contrasts onto this one's grid, by their headers.")
    ] = None,
    split: Annotated[Path | None, typer.Option(help="CSV with subject,split.")] = None,
    fractions: Annotated[tuple[float, float, float], typer.Option(help="Train, val, test.")] = splits.FRACTIONS,
    seed: Annotated[int, typer.Option(help="Of the split.")] = 0,
    dtype: Annotated[str, typer.Option(help="float16 or float32.")] = "float16",
    nan: Annotated[str, typer.Option(help="NaN and infinite voxels: error, zero or median.")] = "error",
    background: Annotated[str, typer.Option(help="auto, corner or otsu.")] = "auto",
    margin: Annotated[int, typer.Option(help="Voxels kept around the head.")] = 2,
    repair_affine: Annotated[str | None, typer.Option(help="qform: use it where the sform is singular.")] = None,
    limit_gb: Annotated[float, typer.Option(help="Largest uncompressed volume.")] = LIMIT_GB,
    zarr: Annotated[bool, typer.Option("--zarr", help="Write zarr arrays, for object stores.")] = False,
    workers: Annotated[int | None, typer.Option(help="Processes; 0 works in this one.")] = None,
    scheduler: Annotated[str | None, typer.Option(help="Dask scheduler, tcp://host:8786.")] = None,
) -> None:
    """Prepare MR volumes: one grid a case, intensities in [0, 1], split by patient, shards and a manifest."""
    result = prepare(
        source=source,
        out=out,
        layout=layout,  # type: ignore[arg-type]
        resample_to=resample_to,
        split=split,
        fractions=fractions,
        seed=seed,
        dtype=dtype,  # type: ignore[arg-type]
        nan=nan,  # type: ignore[arg-type]
        background=background,  # type: ignore[arg-type]
        margin=margin,
        repair_affine=repair_affine,  # type: ignore[arg-type]
        limit_gb=limit_gb,
        zarr=zarr,
        workers=workers,
        scheduler=scheduler,
    )
    raise typer.Exit(result.exit_code)


def main(arguments: list[str] | None = None) -> None:
    """``python -m data_prep.mr SOURCE OUT``: a user's mistake is one message and exit code 2, without a traceback.

    Raises:
        SystemExit: Always, with one of :class:`medmae.errors.ExitCode`.
    """
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command(epilog="Example: python -m data_prep.mr raw/ prepared/ --resample-to T1")(command)
    try:
        app(arguments, prog_name="data_prep.mr")
    except (ValueError, OSError, ModuleNotFoundError) as error:
        typer.echo(f"data_prep.mr: {error}", err=True)
        sys.exit(ExitCode.REFUSED)


if __name__ == "__main__":
    main()
