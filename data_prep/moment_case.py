"""One recording of a person, from its files to its shards and its rows."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from data_prep.audio_track import SoundOptions, part_of, store_sound
from data_prep.media_case import MediaTask, described, prepare_media
from data_prep.moment_files import VIDEOS
from data_prep.moment_series import landmarks_at, pictures_at, words_at
from data_prep.outcome import CaseResult, Row
from data_prep.video_source import Segment
from medmae.child import run_in_child
from medmae.errors import DataError
from medmae.files import atomic_write, sha256_of

FORMAT = 1  # of shards and rows; a new number makes everything be prepared anew


@dataclass(frozen=True, kw_only=True)
class MomentOptions(SoundOptions):
    """What shapes the shards.

    Args:
        steps: Of landmarks and words, a second.
        frames: Pictures a second.
        edge: Height and width of pictures.
        pictures: Whether they are kept.
        words: File of word vectors, or None.
    """

    steps: float = 30.0
    frames: float = 8.0
    edge: int = 112
    pictures: bool = False
    words: str | None = None


def prepare_moment(task: MediaTask) -> CaseResult:
    """Prepares one recording in a child process, or keeps what an earlier run made of the same bytes and options.

    Raises:
        DataError: Whatever is wrong with its sound, or with what lies beside it.
    """
    return prepare_media(
        task, version=FORMAT, work="data_prep.moment_case:store_moment", child=run_in_child, part=_part
    )


def store_moment(task: dict[str, Any]) -> dict[str, Any]:
    """The work itself; argument and result are what JSON can hold.

    Raises:
        DataError: See :func:`prepare_moment`.
    """
    shard, options = Path(task["shard"]), MomentOptions(**task["options"])
    sound = {name: getattr(options, name) for name in ("rate", "mix", "damaged", "limit_gb")}
    row = store_sound(Path(task["path"]), shard, SoundOptions(**sound))
    end = row["start"] + row["count"] / row["rate"]
    steps, frames = (np.arange(math.ceil(end * rate)) / rate for rate in (options.steps, options.frames))
    beside = [Path(file) for file in task["files"]]
    series = []
    for path in beside:
        if path.suffix.lower() == ".csv":
            values, flags = landmarks_at(path, steps)
            row["flags"] += flags
            series.append(_stored("landmarks", values, shard, options.steps))
        elif options.pictures and path.suffix.lower() in VIDEOS:
            values = pictures_at(path, frames, edge=options.edge)
            series.append(_stored("image", values, shard, options.frames))
    if options.words is not None:
        found = words_at(Path(options.words), shard.stem, steps)
        if found is None:
            row["flags"].append("no_words")
        else:
            series.append(_stored("text", found, shard, options.steps))
    return described({"kind": "moment", **row, "series": series}, shard, task["files"])


def _stored(name: str, values: np.ndarray, shard: Path, rate: float) -> Row:
    path = shard.with_name(f"{shard.stem}.{name}.npy")
    with atomic_write(path) as file:
        np.lib.format.write_array(file, values, allow_pickle=False)
    where = {"shard": f"{path.parent.name}/{path.name}", "shard_sha256": sha256_of(path)}
    return {"name": name, **where, "first": 0, "count": len(values), "rate": float(rate), "start": 0.0}


def _part(stored: Row, segment: Segment, path: Path) -> Row:
    if segment.start is None and segment.end is None:
        return stored
    start, end = segment.start or 0.0, math.inf if segment.end is None else segment.end
    part = part_of(stored, start=start, end=end)
    if part is None:
        raise DataError(
            f"no sound lies in this part: the recording is {stored['count'] / stored['rate']:.2f} s long",
            path=path,
            field="start, end",
            value=(segment.start, segment.end),
            remedy="correct the table",
        )
    return {**part, "series": [_cut(entry, start, end) for entry in stored["series"]]}


def _cut(entry: Row, start: float, end: float) -> Row:
    """The steps of a part, whose clock begins anew with it."""
    rate = entry["rate"]
    first = min(max(math.floor(start * rate), 0), entry["count"])
    last = entry["count"] if math.isinf(end) else min(math.ceil(end * rate) + 1, entry["count"])
    return {
        **entry,
        "first": entry["first"] + first,
        "count": max(last - first, 0),
        "start": round(first / rate - start, 6),
    }
