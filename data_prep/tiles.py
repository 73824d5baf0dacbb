"""Image tiles in class folders, or in a table, to a prepared data set: RGB, labels, split by patient where known.

What is written to ``out``::

    manifest.jsonl   one JSON object a shard, sorted by case (keys below)
    splits.csv       subject,split
    summary.csv      case,subject,split,tiles,size,classes,flags,seconds
    quarantine.csv   case,file,field,value,reason,remedy of every image that could not be used
    prep.json        options, versions, counts, images that lie elsewhere than in a class folder
    shards/          <case>.npy uint8 (N, H, W, 3); <case>.json lets a run go on

A shard holds the tiles of one patient that have one size; where no patient is known those of one slide; where no slide
is known either, up to 2048 of one class and split. A row of the manifest has ``case``, ``subject``, ``session`` (null),
``split``, ``kind`` (``tiles``), ``shard``, ``shard_sha256``, ``dtype``, ``count``, ``size`` (H, W), ``tiles`` (columns
``name``, ``sha256``, ``label``, ``slide`` with an entry a tile), ``mpp`` (or null), ``options_sha256`` and ``flags``
(``no_patient``, and ``subject_is_slide`` or ``split_by_image``).

How an image becomes RGB is told in :mod:`medmae.data.images.decode`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.console import Console

from data_prep.command import run_prepare
from data_prep.outcome import NO_PATIENT, PrepResult, Row, manifest_rows, result_of, write_record, write_tables
from data_prep.tables import print_summary
from data_prep.tile_case import TileTask, prepare_tiles
from data_prep.tile_files import find_tiles
from data_prep.tile_groups import Group, grouped
from data_prep.work import check_names, check_writable, given_split, nothing_usable, run_cases, workers_for
from medmae.data import splits
from medmae.data.manifest import NAME
from medmae.errors import DataError

EXAMPLE = "NCT-CRC-HE/ prepared/ --mpp 0.5"
_COLUMNS = ("case", "subject", "split", "tiles", "size", "classes", "flags", "seconds")
_SHOWN = {name: name for name in ("case", "split", "tiles", "size", "classes", "flags")}
_PACKAGES = ("numpy", "pillow", "distributed")


def prepare(
    *,
    source: str | Path,
    out: str | Path,
    label_from: str | None = None,
    patient_from: str | None = None,
    slide_from: str | None = None,
    mpp: float | None = None,
    split: str | Path | None = None,
    fractions: tuple[float, float, float] = splits.FRACTIONS,
    seed: int = 0,
    workers: int | None = None,
    scheduler: str | None = None,
    console: Console | None = None,
) -> PrepResult:
    """Prepares image tiles: RGB, labels, split by patient where one is known, shards and a manifest.

    An image that cannot be used is quarantined and the others go on. A shard whose images are those of an earlier run
    is kept. Where folders (or the table) name splits these are kept, too, and a missing val is drawn from train.

    Args:
        source: Folder with ``[split/]class/image`` or ``[split/]image``, or a CSV with ``path`` and some of
            ``label,patient,slide,split``.
        out: Folder to write; made if it is not there.
        label_from: Regular expression on file names whose first group is the class.
        patient_from: The same for the patient.
        slide_from: The same for the slide.
        mpp: Microns a pixel of the images, if known; it is recorded.
        split: CSV with ``subject,split``; None draws one from ``seed``.
        fractions: Shares of train, val, test of a drawn split.
        seed: Of a drawn split.
        workers: Processes; 0 works in this one; None chooses.
        scheduler: Address of a running Dask scheduler.
        console: Where progress and tables go; None prints to the standard error stream.

    Raises:
        DataError: If nothing can be used, the split does not cover the subjects, or a patient or an image would be in
            two splits.
        ValueError: If an argument is out of range.
    """
    console = console or Console(stderr=True)
    if mpp is not None and not 0.01 <= mpp <= 50:
        raise ValueError(f"mpp must be from 0.01 to 50, got {mpp}")
    splits.split_by_subject((), fractions=fractions)
    source, out = Path(source), Path(out)
    files, ignored = find_tiles(source, label_from=label_from, patient_from=patient_from, slide_from=slide_from)
    subjects = {file.patient or file.slide or "" for file in files}
    given = None if split is None else given_split(split, subjects - {""})
    groups = grouped(files, given, fractions=fractions, seed=seed)
    names = [group.case for group in groups]
    check_names(names)
    check_writable(out)
    tasks = [TileTask(group=group, shards=out / "shards", mpp=mpp) for group in groups]
    workers = workers_for(workers, (file.path for file in files))
    outcome = run_cases(prepare_tiles, tasks, names=names, workers=workers, scheduler=scheduler, console=console)
    failures = outcome.write_quarantine(out, names)
    if not outcome.rows:
        raise _nothing(outcome.failed, failures, out, source)
    of = {group.subject: group.split for group in groups}
    rows = manifest_rows(outcome.rows, of, fractions=fractions, seed=seed, manifest=out / NAME)
    lines = [_line(row, outcome.seconds[row["case"]]) for row in rows]
    write_tables(rows, lines, _COLUMNS, out)
    result = result_of(rows, outcome, out, ignored=ignored)
    options = {"label_from": label_from, "patient_from": patient_from, "slide_from": slide_from, "mpp": mpp}
    write_record(result, options, source=source, split=split, fractions=fractions, seed=seed, packages=_PACKAGES)
    print_summary(console, lines, _SHOWN, failures, result.manifest, what="shard", notes=_notes(groups, ignored))
    return result


def _nothing(failed: dict[int, Exception], failures: list[Row], out: Path, source: Path) -> Exception:
    if failed:
        return nothing_usable(failed, out, source)
    return DataError(
        f"none of the {len(failures)} images can be used; the first, {failures[0]['file']}: {failures[0]['reason']}",
        path=source,
        remedy=f"read {out / 'quarantine.csv'}",
    )


def _line(row: Row, seconds: float) -> dict[str, Any]:
    """One line of ``summary.csv``."""
    labels = row["tiles"]["label"]
    return {
        "case": row["case"],
        "subject": row["subject"],
        "split": row["split"],
        "tiles": row["count"],
        "size": "x".join(str(n) for n in row["size"]),
        "classes": " ".join(f"{name}:{labels.count(name)}" for name in sorted({label for label in labels if label})),
        "flags": " ".join(row["flags"]),
        "seconds": f"{seconds:.2f}",
    }


def _notes(groups: list[Group], ignored: list[Path]) -> list[str]:
    notes = []
    if any(NO_PATIENT in group.flags for group in groups):
        notes.append(
            "no patient is known, so images of one patient may be in train and in test, and held-out figures too good: "
            "name patients by --patient-from, or in a CSV with path,label,patient"
        )
    if ignored:
        names = ", ".join(path.name for path in ignored[:5]) + (" …" if len(ignored) > 5 else "")
        notes.append(f"{len(ignored)} images lie elsewhere than in [split/]class/ and are ignored: {names}")
    return notes


def main(arguments: list[str] | None = None) -> None:
    """``python -m data_prep.tiles SOURCE OUT``, see :func:`data_prep.command.run_prepare`.

    Raises:
        SystemExit: Always, with one of :class:`medmae.errors.ExitCode`.
    """
    run_prepare(prepare, name="data_prep.tiles", example=EXAMPLE, arguments=arguments)


if __name__ == "__main__":
    main()
