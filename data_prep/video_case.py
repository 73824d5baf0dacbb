"""One video, from its file (or folder of frames) to its shard and its rows, in a process of its own."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from data_prep.outcome import NO_PATIENT, CaseResult, Row
from data_prep.resume import Finished, finished, key_of, stamp_of, write_finished
from data_prep.tables import failure_row
from data_prep.video_source import Segment, VideoSource
from data_prep.video_store import Options, Stored, store
from medmae.child import run_in_child
from medmae.data.video.times import seconds_of
from medmae.errors import DataError
from medmae.files import sha256_of

FORMAT = 2  # of shards and rows; a new number makes everything be prepared anew


@dataclass(frozen=True, kw_only=True)
class VideoTask:
    """What a worker needs for one video."""

    source: VideoSource
    shards: Path
    options: Options
    limit_s: float


def prepare_video(task: VideoTask) -> CaseResult:
    """Prepares one video in a child process, or keeps what an earlier run made of the same bytes and options.

    Raises:
        DataError: Whatever is wrong with it, also that its decoder crashed or did not come to an end.
    """
    start = time.perf_counter()
    source = task.source
    if source.fault is not None:
        raise source.fault
    key = key_of(FORMAT, asdict(task.options), source.case, source.rate)
    record = task.shards / f"{source.case}.json"
    done, kept = finished(record, key=key, sources=source.files, make=partial(_prepared, task, key, record))
    rows, failures = _rows(done.rows[0], source, key)
    return CaseResult(rows=tuple(rows), kept=kept, seconds=time.perf_counter() - start, failures=tuple(failures))


def _prepared(task: VideoTask, key: str, record: Path) -> Finished:
    shard = task.shards / f"{task.source.case}.npy"
    argument = {
        "path": str(task.source.path),
        "shard": str(shard),
        "rate": task.source.rate,
        "files": [str(file) for file in task.source.files],
        "options": asdict(task.options),
    }
    answer = run_in_child("data_prep.video_case:store_video", argument, path=task.source.path, limit_s=task.limit_s)
    made = Finished(rows=(answer["row"],))
    stamps = [stamp_of(file, sha256) for file, sha256 in zip(task.source.files, answer["hashes"], strict=True)]
    write_finished(record, made, key=key, sources=stamps, shards=[shard])
    return made


def store_video(task: dict[str, Any]) -> dict[str, Any]:
    """The work itself; argument and result are what JSON can hold.

    Returns:
        ``row``: what the manifest says of the video; ``hashes``: of its files.

    Raises:
        DataError: See :func:`data_prep.video_store.store`.
    """
    path, shard = Path(task["path"]), Path(task["shard"])
    stored = store(path, shard, Options(**task["options"]), rate=task["rate"])
    hashes = [sha256_of(file) for file in task["files"]]
    row = _described(stored) | {
        "shard": f"{shard.parent.name}/{shard.name}",
        "shard_sha256": sha256_of(shard),
        "source_sha256": hashes[0] if len(hashes) == 1 else key_of(hashes),
    }
    return {"row": row, "hashes": hashes}


def _described(stored: Stored) -> Row:
    video, times = stored.video, stored.times
    told = None if times.seconds is None or times.constant else np.round(times.seconds, 6).tolist()
    return {
        "kind": "video",
        "dtype": "uint8",
        "count": stored.shape[0],
        "first": 0,
        "size": list(stored.shape[1:3]),
        "channels": stored.shape[3],
        "fps": None if times.fps is None else round(times.fps, 6),
        "times": told,
        "container": video.container,
        "codec": video.codec,
        "content_sha256": video.content_sha256,
        "status": "ok" if video.damage is None else "damaged",
        "reason": video.damage,
        "box": list(stored.static.box()),
        "static": stored.static.share(),
        "regions": [list(box) for box in video.regions],
        "flags": list(stored.flags),
    }


def _rows(stored: Row, source: VideoSource, key: str) -> tuple[list[Row], list[Row]]:
    """Rows of the segments of a video (of the whole, where none are named), and failures of segments."""
    flags = [*stored["flags"], *([] if source.known else [NO_PATIENT])]
    named = {"subject": source.subject, "session": None}
    told = {"source": str(source.path), "options_sha256": key}
    rows, failures = [], []
    for segment in source.segments:
        case = source.case if segment.name is None else f"{source.case}_{segment.name}"
        about: Row = {"label": segment.label, "value": segment.value, "captions": list(segment.captions)}
        if segment.questions:
            about["questions"] = [question.as_row() for question in segment.questions]
        try:
            part = _part(stored, segment, source.path)
        except DataError as error:
            failures.append(failure_row(case, error))
            continue
        rows.append({"case": case, **named, **part, **about, **told, "flags": [*flags, *segment.flags]})
    return rows, failures


def _part(stored: Row, segment: Segment, path: Path) -> Row:
    if segment.start is None and segment.end is None:
        return stored
    seconds = seconds_of(stored)
    if seconds is None:
        raise DataError(
            "a part by seconds needs the times of frames, which nothing tells",
            path=path,
            field="start, end",
            value=(segment.start, segment.end),
            remedy="state the rate in a column fps",
        )
    start, end = segment.start or 0.0, np.inf if segment.end is None else segment.end
    inside = np.flatnonzero((seconds >= start - 1e-6) & (seconds < end - 1e-6))
    if not len(inside):
        raise DataError(
            f"no frame lies in this part: the video is {seconds[-1]:.2f} s long",
            path=path,
            field="start, end",
            value=(segment.start, segment.end),
            remedy="correct the table: seconds from the first frame",
        )
    first, last = int(inside[0]), int(inside[-1])
    times = None if stored["times"] is None else np.round(seconds[first : last + 1] - seconds[first], 6).tolist()
    return stored | {"first": first, "count": last - first + 1, "times": times}
