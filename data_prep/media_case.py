"""One recording, from its file to its shards and rows, in a process of its own: what pictures and sound share."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from data_prep.outcome import NO_PATIENT, CaseResult, Row
from data_prep.resume import Finished, finished, key_of, stamp_of, write_finished
from data_prep.tables import failure_row
from data_prep.video_source import Segment, VideoSource
from medmae.data.rows import files_of
from medmae.data.video.times import seconds_of
from medmae.errors import DataError
from medmae.files import sha256_of

_LATE = 0.5  # seconds: tables round
Part = Callable[[Row, Segment, Path], Row]


@dataclass(frozen=True, kw_only=True)
class MediaTask:
    """What a worker needs for one recording.

    Args:
        source: Where it lies, and whose it is.
        shards: Folder that receives its shards.
        options: A dataclass of what shapes them.
        limit_s: Seconds after which its decoder is taken to hang.
    """

    source: VideoSource
    shards: Path
    options: Any
    limit_s: float


def prepare_media(
    task: MediaTask, *, version: int, work: str, child: Callable[..., dict[str, Any]], part: Part
) -> CaseResult:
    """Prepares one recording in a child process, or keeps what an earlier run made of the same bytes and options.

    Args:
        task: See there.
        version: Of shards and rows; another one makes everything be prepared anew.
        work: ``module:function`` of the child: takes path, shard, rate, files and options, gives ``row`` and
            ``hashes`` of the files.
        child: :func:`medmae.child.run_in_child`.
        part: Gives the row of a segment, of the row of the whole.

    Raises:
        DataError: Whatever is wrong with it, also that its decoder crashed or did not come to an end.
    """
    start = time.perf_counter()
    source = task.source
    if source.fault is not None:
        raise source.fault
    key = key_of(version, stated(asdict(task.options)), source.case, source.rate)
    record = task.shards / f"{source.case}.json"
    made = partial(_made, task, key, record, work, child)
    done, kept = finished(record, key=key, sources=source.files, make=made)
    rows, failures = _rows(done.rows[0], source, key, part)
    return CaseResult(rows=tuple(rows), kept=kept, seconds=time.perf_counter() - start, failures=tuple(failures))


def stated(options: Mapping[str, Any]) -> dict[str, Any]:
    """Options without those that say nothing: a new one, left as it is, makes nothing be prepared anew."""
    return {name: value for name, value in options.items() if value is not None}


def _made(task: MediaTask, key: str, record: Path, work: str, child: Callable[..., dict[str, Any]]) -> Finished:
    shard = task.shards / f"{task.source.case}.npy"
    argument = {
        "path": str(task.source.path),
        "shard": str(shard),
        "rate": task.source.rate,
        "files": [str(file) for file in task.source.files],
        "options": asdict(task.options),
    }
    answer = child(work, argument, path=task.source.path, limit_s=task.limit_s)
    row = answer["row"]
    shards = [task.shards.parent / str(path) for path, _ in files_of(row)]
    stamps = [stamp_of(file, sha256) for file, sha256 in zip(task.source.files, answer["hashes"], strict=True)]
    made = Finished(rows=(row,))
    write_finished(record, made, key=key, sources=stamps, shards=shards)
    return made


def described(row: Row, shard: Path, files: Sequence[str]) -> dict[str, Any]:
    """What the child answers: a row with the hashes of its shard and of its files, and these."""
    hashes = [sha256_of(Path(file)) for file in files]
    told = {
        "shard": f"{shard.parent.name}/{shard.name}",
        "shard_sha256": sha256_of(shard),
        "source_sha256": hashes[0] if len(hashes) == 1 else key_of(hashes),
    }
    return {"row": row | told, "hashes": hashes}


def _rows(stored: Row, source: VideoSource, key: str, part: Part) -> tuple[list[Row], list[Row]]:
    """Rows of the segments of a recording (of the whole, where none are named), and failures of segments."""
    flags = [*stored["flags"], *([] if source.known else [NO_PATIENT])]
    named = {"subject": source.subject, "session": source.session}
    told = {"source": str(source.path), "options_sha256": key}
    rows, failures = [], []
    for segment in source.segments:
        case = source.case if segment.name is None else f"{source.case}_{segment.name}"
        about: Row = {"label": segment.label, "value": segment.value, "captions": list(segment.captions)}
        about |= {} if segment.classes is None else {"classes": list(segment.classes)}
        if segment.questions:
            about["questions"] = [question.as_row() for question in segment.questions]
        try:
            own = part(stored, segment, source.path)
            more = (*segment.flags, *_late(stored, segment, source.path))
        except DataError as error:
            failures.append(failure_row(case, error))
            continue
        told_of = {**about, **dict(source.about), **told, "flags": [*flags, *more]}
        rows.append({"case": case, **named, **own, **told_of})
    return rows, failures


def _late(stored: Row, segment: Segment, path: Path) -> list[str]:
    """``part_ends:+1.20``: seconds by which a part goes on behind its recording.

    Raises:
        DataError: If most of it would lie there.
    """
    ends = _seconds_of(stored)
    if ends is None or segment.end is None or segment.end - ends <= _LATE:
        return []
    if segment.end - ends > max(ends - (segment.start or 0.0), 0.0):
        raise DataError(
            f"most of this part lies behind the recording, which ends at {ends:.2f} s",
            path=path,
            field="start, end",
            value=(segment.start, segment.end),
            remedy="correct the table: seconds from the beginning; leave end empty for all that follows",
        )
    return [f"part_ends:{segment.end - ends:+.2f}"]


def _seconds_of(row: Row) -> float | None:
    """When a recording ends on its own clock; None where nothing tells, or parts are numbers of frames."""
    if row["kind"] == "video":
        seconds = seconds_of(row)
        return None if seconds is None else float(seconds[-1])
    if not row["rate"] or row.get("recorded", {}).get("numbers_a_frame"):
        return None
    return float(row.get("start") or 0.0) + float(row["count"]) / float(row["rate"])
