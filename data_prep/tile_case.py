"""The tiles of one patient (or slide, or class), from their files to a shard; one a size of image."""

from __future__ import annotations

import hashlib
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np

from data_prep.growing import GrowingShard, growing_shard
from data_prep.outcome import CaseResult, Row
from data_prep.resume import Finished, Stamp, finished, key_of, stamp_of, write_finished
from data_prep.tables import failure_row
from data_prep.tile_groups import Group
from medmae.data.images.decode import read_bytes, rgb_of
from medmae.data.images.folders import ImageFile
from medmae.errors import DataError
from medmae.files import content_sha256, sha256_of

FORMAT = 2  # of shards and rows; a new number makes everything be prepared anew
_NOT_THERE: Stamp = (-1, -1, "")


@dataclass(frozen=True, kw_only=True)
class TileTask:
    """What a worker needs for one shard.

    Args:
        group: Its images.
        shards: Folder to write to.
        mpp: Microns a pixel of the images, if known; recorded only.
    """

    group: Group
    shards: Path
    mpp: float | None


@dataclass
class _Shelf:
    """A shard that grows, and what is in it."""

    path: Path
    shard: GrowingShard
    size: tuple[int, int]
    files: list[ImageFile] = field(default_factory=list)
    hashes: list[str] = field(default_factory=list)
    contents: list[str] = field(default_factory=list)


def prepare_tiles(task: TileTask) -> CaseResult:
    """Stores the images of one group, or keeps what an earlier run made of the same files; bad images are left out."""
    start = time.perf_counter()
    group = task.group
    key = key_of(FORMAT, group.case, [[file.name, file.label, file.slide] for file in group.images])
    record = task.shards / f"{group.case}.json"
    done, kept = finished(record, key=key, sources=group.files, make=partial(_prepared, task, key, record))
    named = {"subject": group.subject, "session": None, "split": group.split}
    told = {"mpp": task.mpp, "options_sha256": key}
    rows = tuple(
        {"case": row["case"], **named, **row, **told, "flags": [*group.flags, *_constant(row)]} for row in done.rows
    )
    return CaseResult(rows=rows, kept=kept, seconds=time.perf_counter() - start, failures=done.failures)


def _constant(row: Row) -> list[str]:
    """A flag that counts images of one value, of which nothing can be learnt: they have no hash of their content."""
    count = row["tiles"]["content_sha256"].count("")
    return [f"constant:{count}"] if count else []


def _prepared(task: TileTask, key: str, record: Path) -> Finished:
    shelves: dict[tuple[int, int], _Shelf] = {}
    failures: list[Row] = []
    stamps: list[Stamp] = []
    with ExitStack() as stack:
        for file in task.group.images:
            stamp, pixels = _read(file.path)
            stamps.append(stamp)
            if isinstance(pixels, DataError):
                failures.append(failure_row(task.group.case, pixels))
                continue
            size = pixels.shape[:2]
            if size not in shelves:
                shelves[size] = _shelf(size, task, stack, first=not shelves)
            shelves[size].shard.append(pixels)
            shelves[size].files.append(file)
            shelves[size].hashes.append(stamp[2])
            shelves[size].contents.append("" if (pixels == pixels.flat[0]).all() else content_sha256(pixels))
    made = Finished(rows=tuple(_row(shelf) for shelf in shelves.values()), failures=tuple(failures))
    write_finished(record, made, key=key, sources=stamps, shards=[shelf.path for shelf in shelves.values()])
    return made


def _read(path: Path) -> tuple[Stamp, np.ndarray | DataError]:
    try:
        data = read_bytes(path)
    except DataError as error:
        return (stamp_of(path) if path.is_file() else _NOT_THERE), error
    stamp = stamp_of(path, hashlib.sha256(data).hexdigest())
    try:
        return stamp, rgb_of(data, path=path)
    except DataError as error:
        return stamp, error


def _shelf(size: tuple[int, int], task: TileTask, stack: ExitStack, *, first: bool) -> _Shelf:
    H, W = size
    name = task.group.case if first else f"{task.group.case}_{H}x{W}"
    path = task.shards / f"{name}.npy"
    return _Shelf(path=path, shard=stack.enter_context(growing_shard(path, shape=(H, W, 3))), size=size)


def _row(shelf: _Shelf) -> Row:
    tiles = {
        "name": [file.name for file in shelf.files],
        "sha256": shelf.hashes,
        "content_sha256": shelf.contents,
        "label": [file.label for file in shelf.files],
        "slide": [file.slide for file in shelf.files],
    }
    return {
        "case": shelf.path.stem,
        "kind": "tiles",
        "dtype": "uint8",
        "count": len(shelf.files),
        "size": list(shelf.size),
        "shard": f"{shelf.path.parent.name}/{shelf.path.name}",
        "shard_sha256": sha256_of(shelf.path),
        "tiles": tiles,
    }
