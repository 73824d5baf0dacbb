"""One recording of skeletons, from its file to its shard and its rows."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from data_prep.media_case import MediaTask, described, prepare_media
from data_prep.outcome import CaseResult, Row
from data_prep.skeleton_store import SkeletonOptions, facts_of, frames_of, store_recording
from data_prep.video_source import Segment
from medmae.child import run_in_child
from medmae.data.skeletons.stored import layout_of_row
from medmae.errors import DataError

FORMAT = 1  # of shards and rows; a new number makes everything be prepared anew


def prepare_skeleton(task: MediaTask) -> CaseResult:
    """Prepares one recording in a child process, or keeps what an earlier run made of the same bytes and options.

    Raises:
        DataError: Whatever is wrong with it.
    """
    return prepare_media(
        task,
        version=FORMAT,
        work="data_prep.skeleton_case:store_skeleton",
        child=run_in_child,
        part=partial(_part, folder=task.shards.parent),
    )


def store_skeleton(task: dict[str, Any]) -> dict[str, Any]:
    """The work itself; argument and result are what JSON can hold.

    Raises:
        DataError: See :func:`data_prep.skeleton_store.store_recording`.
    """
    shard, options = Path(task["shard"]), dict(task["options"])
    if task["rate"] is not None:  # of the table
        options["rate"] = task["rate"]
    files = [Path(file) for file in task["files"]]
    row = store_recording(Path(task["path"]), files, shard, SkeletonOptions(**options))
    return described({"kind": "skeleton", **row}, shard, task["files"])


def _part(stored: Row, segment: Segment, path: Path, *, folder: Path) -> Row:
    if segment.start is None and segment.end is None:
        return stored
    low, high = frames_of(stored, segment.start, segment.end)
    values = np.load(folder / stored["shard"], mmap_mode="r")[low:high]
    if high - low < 2 or not (values[..., -1] > 0).any():
        raise DataError(
            f"nobody is seen in this part of {stored['count']} frames",
            path=path,
            field="start, end",
            value=(segment.start, segment.end),
            remedy="correct the table",
        )
    return {**stored, "first": low, "count": high - low, **facts_of(values, layout_of_row(stored), stored["rate"])}
