"""One video, from its file (or folder of frames) to its shard and its rows, in a process of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from data_prep.media_case import MediaTask, described, prepare_media
from data_prep.outcome import CaseResult, Row
from data_prep.video_sound import sound_of_part, with_sound
from data_prep.video_source import Segment
from data_prep.video_store import Options, Stored, store
from medmae.child import run_in_child
from medmae.data.video.times import seconds_of
from medmae.errors import DataError

FORMAT = 2  # of shards and rows; a new number makes everything be prepared anew


def prepare_video(task: MediaTask) -> CaseResult:
    """Prepares one video in a child process, or keeps what an earlier run made of the same bytes and options.

    Raises:
        DataError: Whatever is wrong with it, also that its decoder crashed or did not come to an end.
    """
    return prepare_media(task, version=FORMAT, work="data_prep.video_case:store_video", child=run_in_child, part=_part)


def store_video(task: dict[str, Any]) -> dict[str, Any]:
    """The work itself; argument and result are what JSON can hold.

    Returns:
        ``row``: what the manifest says of the video; ``hashes``: of its files.

    Raises:
        DataError: See :func:`data_prep.video_store.store`.
    """
    path, shard = Path(task["path"]), Path(task["shard"])
    options = Options.of(task["options"])
    stored = store(path, shard, options, rate=task["rate"])
    row = _described(stored)
    if options.sound is not None:
        row = with_sound(row, path, shard, options.sound, first_frame=stored.start)
    return described(row, shard, task["files"])


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
    part = stored | {"first": first, "count": last - first + 1, "times": times}
    return sound_of_part(part, start=float(seconds[first]), end=end)
