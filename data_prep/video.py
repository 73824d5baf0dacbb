"""Videos to a prepared data set: every file decoded once, frames in shards for random reading, split by patient.

What is written to ``out``::

    manifest.jsonl   one JSON object a video, or a part of one, sorted by case (keys below)
    splits.csv       subject,split
    summary.csv      case,subject,split,label,frames,size,fps,status,flags,seconds
    quarantine.csv   case,file,field,value,reason,remedy of every video that could not be used
    prep.json        options, versions, counts, files that are no videos
    shards/          <case>.npy uint8 (T, H, W, C); <case>.json lets a run go on

A row of the manifest has ``case``, ``subject``, ``session`` (null), ``split``, ``kind`` (``video``), ``source``,
``source_sha256``, ``content_sha256`` (of the frames as decoded), ``shard``, ``shard_sha256``, ``dtype``, ``first`` and
``count`` (its frames in the shard), ``size`` (H, W), ``channels`` (1 grey, 3 RGB), ``fps`` (or null), ``times``
(seconds of each frame from the first where the rate varies, else null: then frame i stands at i / fps), ``label``,
``value``,
``captions``, ``container``, ``codec``, ``status`` (``ok`` or ``damaged``) and ``reason``, ``box`` (top, left, bottom,
right of what moves), ``static`` (share of a frame that never moves), ``regions`` (of ultrasound, in pixels of the
file), ``options_sha256`` and ``flags`` (docs/data.md says what each means).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

from rich.console import Console

from data_prep.command import run_prepare
from data_prep.outcome import NO_PATIENT, PrepResult, Row, manifest_rows, result_of, write_record, write_tables
from data_prep.tables import print_summary
from data_prep.video_case import VideoTask, prepare_video
from data_prep.video_copies import refuse_copies
from data_prep.video_files import find_videos
from data_prep.video_source import FoundVideos, VideoSource
from data_prep.video_store import Options
from data_prep.work import check_names, check_writable, given_split, nothing_usable, run_cases, workers_for
from medmae.data import splits
from medmae.data.manifest import NAME
from medmae.errors import DataError, check_choice

EXAMPLE = "videos/ prepared/ --patient-from '^(p[0-9]+)_'"
LIMIT_S = 3600.0
_COLUMNS = ("case", "subject", "split", "label", "frames", "size", "fps", "status", "flags", "seconds")
_SHOWN = {name: name for name in ("case", "split", "label", "frames", "size", "fps", "status", "flags")}
_PACKAGES = ("numpy", "pillow", "av", "pydicom", "scipy", "distributed")


def prepare(
    *,
    source: str | Path,
    out: str | Path,
    root: str | Path | None = None,
    subject_column: str | None = None,
    label_column: str | None = None,
    value_column: str | None = None,
    patient_from: str | None = None,
    patient_from_dicom: bool = False,
    short_side: int = 256,
    fps: float = 0.0,
    channels: Literal["auto", "1", "3"] = "auto",
    mask_static: bool = False,
    damaged: Literal["keep", "refuse"] = "keep",
    limit_gb: float = 16.0,
    split: str | Path | None = None,
    fractions: tuple[float, float, float] = splits.FRACTIONS,
    seed: int = 0,
    limit_s: float = LIMIT_S,
    workers: int | None = None,
    scheduler: str | None = None,
    console: Console | None = None,
) -> PrepResult:
    """Prepares a folder (or table) of videos.

    A video that cannot be used is quarantined and the others go on. A video whose files and options are those of an
    earlier run is kept. Where folders (or the table) name splits these are kept, and a missing val is drawn from train.

    Args:
        source: Folder with ``[split/]class/video``, or a table (csv, tsv, txt, json) with ``path`` and some of
            ``label,value,caption,start,end,split,subject,fps``. A folder of frames is a video, too.
        out: Folder to write; made if it is not there.
        root: Where the paths of a table start; None takes the folder of the table.
        subject_column: Column of the table that must not be cut in two, such as a site; None takes ``subject``,
            ``patient`` or ``group``.
        label_column: Column of the table that is the class; None takes ``label`` or ``class``.
        value_column: Column of the table to predict by regression; None takes ``value`` or ``ef``.
        patient_from: Regular expression on file names (on paths below the source, if it has a ``/``) whose first group
            is the patient.
        patient_from_dicom: The patient is a hash of the PatientID of DICOM files, whose blanks do not count. Whoever
            has a list of identifiers can tell whose a hash is.
        short_side: Frames whose shorter side is larger are reduced to it; 0 leaves sizes as they are.
        fps: Most frames a second that are kept; 0 keeps all.
        channels: ``auto`` stores grey where all frames of a video are grey, else RGB; ``1`` and ``3`` decide for all.
        mask_static: Blacken what never moves: borders, text, scales.
        damaged: ``keep`` stores what precedes the damage, ``refuse`` quarantines the video.
        limit_gb: Most that the frames of one video may take up, in 10^9 bytes.
        split: CSV with ``subject,split``; None draws one from ``seed``.
        fractions: Shares of train, val, test of a drawn split, in whole subjects.
        seed: Of a drawn split.
        limit_s: Seconds after which a video's decoder is taken to hang.
        workers: Processes; 0 works on one video at a time; None chooses.
        scheduler: Address of a running Dask scheduler.
        console: Where progress and tables go; None prints to the standard error stream.

    Raises:
        DataError: If nothing can be used, the split does not cover the subjects, a patient would be in two splits, or
            two subjects have a video of the same frames.
        ValueError: If an argument is out of range.
    """
    console = console or Console(stderr=True)
    options = Options(
        short_side=short_side,
        fps=fps,
        channels=channels,
        mask_static=mask_static,
        damaged=damaged,
        limit_gb=limit_gb,
    )
    named = {"subject": subject_column, "label": label_column, "value": value_column}
    columns = {ours: theirs for ours, theirs in named.items() if theirs is not None}
    _check_arguments(options, fractions, limit_s)
    source, out = Path(source), Path(out)
    found = find_videos(
        source,
        root=None if root is None else Path(root),
        patient_from=patient_from,
        patient_from_dicom=patient_from_dicom,
        columns=columns,
        out=out,
    )
    names = [video.case for video in found.videos]
    check_names(names)
    check_writable(out)
    of = _splits(found.videos, split, source, fractions=fractions, seed=seed)
    tasks = [VideoTask(source=video, shards=out / "shards", options=options, limit_s=limit_s) for video in found.videos]
    workers = workers_for(workers, [file for video in found.videos for file in video.files])
    outcome = run_cases(prepare_video, tasks, names=names, workers=workers, scheduler=scheduler, console=console)
    failures = outcome.write_quarantine(out, names)
    if not outcome.rows:
        raise _nothing(outcome.failed, failures, out, source)
    refuse_copies(outcome.rows)
    rows = manifest_rows(outcome.rows, of, fractions=fractions, seed=seed, manifest=out / NAME)
    lines = [_line(row, outcome.seconds[row["case"]]) for row in rows]
    write_tables(rows, lines, _COLUMNS, out)
    result = result_of(rows, outcome, out, ignored=found.ignored)
    told = asdict(options) | {"root": root and str(root), "columns": columns}
    told |= {"patient_from": patient_from, "patient_from_dicom": patient_from_dicom}
    write_record(result, told, source=source, split=split, fractions=fractions, seed=seed, packages=_PACKAGES)
    print_summary(console, lines, _SHOWN, failures, result.manifest, what="video", notes=_notes(found, rows))
    return result


def _check_arguments(options: Options, fractions: tuple[float, float, float], limit_s: float) -> None:
    check_choice(options.channels, ("auto", "1", "3"), name="channels")
    check_choice(options.damaged, ("keep", "refuse"), name="damaged")
    # Not the other way round: nan is neither, and would switch a limit off.
    if not (options.short_side >= 0 and options.fps >= 0 and options.limit_gb > 0 and limit_s > 0):
        raise ValueError(
            "short_side and fps must be >= 0, limit_gb and limit_s > 0, got "
            f"{options.short_side}, {options.fps}, {options.limit_gb}, {limit_s}"
        )
    splits.split_by_subject((), fractions=fractions)


def _splits(
    videos: Sequence[VideoSource],
    file: str | Path | None,
    source: Path,
    *,
    fractions: tuple[float, float, float],
    seed: int,
) -> dict[str, str]:
    """The split of each subject: of the file, else of folders or table, else drawn; without patients, in each class."""
    splits.check_disjoint(((video.subject, video.split) for video in videos if video.split), path=source)
    own = {video.subject: video.split for video in videos}
    if file is not None:
        if any(own.values()):
            raise DataError(
                "folders (or the table) and --split both name splits",
                field="--split",
                remedy="drop one",
            )
        return given_split(file, own)
    shelves: dict[str, dict[str, str | None]] = defaultdict(dict)
    for video in videos:
        shelves["" if video.known else video.segments[0].label or ""][video.subject] = video.split
    found: dict[str, str] = {}
    for _, some in sorted(shelves.items()):
        found |= splits.completed(some, fractions=fractions, seed=seed)
    return found


def _nothing(failed: dict[int, Exception], failures: list[Row], out: Path, source: Path) -> Exception:
    if failed:
        return nothing_usable(failed, out, source)
    return DataError(
        f"none of the {len(failures)} parts can be used; the first: {failures[0]['reason']}",
        path=source,
        remedy=f"read {out / 'quarantine.csv'}",
    )


def _line(row: Row, seconds: float) -> dict[str, Any]:
    """One line of ``summary.csv``."""
    return {
        "case": row["case"],
        "subject": row["subject"],
        "split": row["split"],
        "label": row["label"] or "",
        "frames": row["count"],
        "size": "x".join(str(n) for n in (*row["size"], row["channels"])),
        "fps": "" if row["fps"] is None else f"{row['fps']:.4g}",
        "status": row["status"],
        "flags": " ".join(row["flags"]),
        "seconds": f"{seconds:.2f}",
    }


def _notes(found: FoundVideos, rows: Sequence[Row]) -> list[str]:
    notes = list(found.notes)
    alone = [row for row in rows if NO_PATIENT in row["flags"]]
    if alone:
        notes.append(
            "no patient is known, so videos of one patient may be in train and in test, and held-out figures too good: "
            "name patients by --patient-from, or in a table with path,label,subject"
        )
    damaged = [row for row in rows if row["status"] == "damaged"]
    if damaged:
        first = f"{damaged[0]['case']}: {damaged[0]['reason']}"
        notes.append(f"{len(damaged)} videos are damaged and end early ({first}): --damaged refuse leaves them out")
    timeless = sum(row["fps"] is None for row in rows)
    if timeless:
        notes.append(f"nothing tells the rate of {timeless} videos: they cannot be sampled by seconds")
    if found.ignored:
        some = ", ".join(path.name for path in found.ignored[:5]) + (" …" if len(found.ignored) > 5 else "")
        notes.append(f"{len(found.ignored)} files are no videos and are ignored: {some}")
    return notes


def main(arguments: list[str] | None = None) -> None:
    """``python -m data_prep.video SOURCE OUT``, see :func:`data_prep.command.run_prepare`.

    Raises:
        SystemExit: Always, with one of :class:`medmae.errors.ExitCode`.
    """
    run_prepare(prepare, name="data_prep.video", example=EXAMPLE, arguments=arguments)


if __name__ == "__main__":
    main()
