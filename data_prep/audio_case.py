"""One sound, from its file to its shard and its rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from data_prep.audio_track import SoundOptions, part_of, store_sound
from data_prep.media_case import MediaTask, described, prepare_media
from data_prep.outcome import CaseResult, Row
from data_prep.video_source import Segment
from medmae.child import run_in_child
from medmae.errors import DataError

FORMAT = 1  # of shards and rows; a new number makes everything be prepared anew
_SPARE = 1.0  # seconds that a clip may be longer than its table says


def prepare_audio(task: MediaTask) -> CaseResult:
    """Prepares one sound in a child process, or keeps what an earlier run made of the same bytes and options.

    Raises:
        DataError: Whatever is wrong with it, also that it is longer than the clip that a table names.
    """
    result = prepare_media(
        task, version=FORMAT, work="data_prep.audio_case:store_audio", child=run_in_child, part=_part
    )
    seconds = max((row["count"] / row["rate"] for row in result.rows), default=0.0)
    longest = task.source.longest
    if longest is not None and seconds > longest + _SPARE:
        raise DataError(
            f"it is {seconds:.1f} s long, and the table names a clip of {longest:g} s",
            path=task.source.path,
            field="--starts",
            value="clip",
            remedy="if files are whole recordings: --starts file cuts them by the table's seconds",
        )
    return result


def store_audio(task: dict[str, Any]) -> dict[str, Any]:
    """The work itself; argument and result are what JSON can hold.

    Raises:
        DataError: See :func:`data_prep.audio_track.store_sound`.
    """
    shard = Path(task["shard"])
    row = store_sound(Path(task["path"]), shard, SoundOptions(**task["options"]))
    told = task["rate"]
    if told is not None and round(told) != row["source_rate"]:  # of a header beside it
        row["flags"].append(f"header_rate:{told:g}")
    return described({"kind": "sound", **row, "start": 0.0}, shard, task["files"])


def _part(stored: Row, segment: Segment, path: Path) -> Row:
    if segment.start is None and segment.end is None:
        return stored
    part = part_of(stored, start=segment.start or 0.0, end=np.inf if segment.end is None else segment.end)
    if part is None:
        raise DataError(
            f"no sound lies in this part: the sound is {stored['count'] / stored['rate']:.2f} s long",
            path=path,
            field="start, end",
            value=(segment.start, segment.end),
            remedy="correct the table: seconds from the first sample",
        )
    return {**part, "start": 0.0}
