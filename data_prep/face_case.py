"""One recording of a face, from its frames to its crops, measures and row."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np

from data_prep.face_align import Align, aligned, fault_of_points
from data_prep.face_source import FaceSource
from data_prep.growing import growing_shard
from data_prep.outcome import NO_PATIENT, CaseResult, Row
from data_prep.resume import Finished, finished, key_of, stamp_of, write_finished
from data_prep.tables import failure_row
from medmae.data.images.decode import read_bytes, rgb_of
from medmae.data.video.opening import open_video
from medmae.errors import DataError
from medmae.files import atomic_write, content_sha256, sha256_of

FORMAT = 1  # of shards and rows; a new number makes everything be prepared anew


@dataclass(frozen=True, kw_only=True)
class FaceOptions:
    """What shapes the shards.

    Args:
        size: Pixels of a crop along each axis.
        align: How crops are found.
        every: Of a video, each n-th coded frame.
    """

    size: int = 256
    align: Align = "auto"
    every: int = 1


@dataclass(frozen=True, kw_only=True)
class FaceTask:
    """What a worker needs for one recording."""

    source: FaceSource
    shards: Path
    options: FaceOptions


def prepare_face(task: FaceTask) -> CaseResult:
    """Stores the crops of one recording, or keeps what an earlier run made of the same files; bad frames are left out.

    Raises:
        DataError: If no face is found in any frame, or the recording is not as its codes say.
    """
    start = time.perf_counter()
    source = task.source
    if source.fault is not None:
        raise source.fault
    codes = [
        content_sha256(np.ascontiguousarray(part))
        for part in (source.coded.active, source.coded.intensity, source.coded.points)
    ]
    key = key_of(FORMAT, asdict(task.options), source.case, list(source.coded.frames), list(source.coded.units), codes)
    record = task.shards / f"{source.case}.json"
    made, kept = finished(record, key=key, sources=source.files, make=partial(_made, task, key, record))
    flags = [*source.flags, *made.rows[0]["flags"], *([] if source.known else [NO_PATIENT])]
    named = {"subject": source.subject, "session": source.session}
    row = {
        "case": source.case,
        **named,
        **made.rows[0],
        "source": str(source.path),
        "options_sha256": key,
        "flags": flags,
    }
    return CaseResult(rows=(row,), kept=kept, seconds=time.perf_counter() - start, failures=made.failures)


def _made(task: FaceTask, key: str, record: Path) -> Finished:
    source, size = task.source, task.options.size
    coded, kept, points, failures = source.coded, [], [], []
    shard, beside = (task.shards / f"{source.case}{suffix}.npy" for suffix in ("", ".measures"))
    detected, first = 0, None
    with growing_shard(shard, shape=(size, size, 3)) as growing:
        for place, pixels in _frames(task):
            if isinstance(pixels, DataError):
                first = first or pixels
                failures.append(failure_row(source.case, pixels))
                continue
            if (fault := fault_of_points(coded.points[place], pixels.shape[:2])) is not None:
                first = first or _misplaced(source, coded.frames[place], fault)
                failures.append(failure_row(source.case, _misplaced(source, coded.frames[place], fault)))
                continue
            crop = aligned(pixels, coded.points[place], size=size, align=task.options.align)
            if crop is None:
                failures.append(failure_row(source.case, _no_face(source, coded.frames[place], task.options.align)))
                continue
            detected += not np.isfinite(coded.points[place]).all() and task.options.align != "none"
            growing.append(crop.pixels)
            kept.append(place)
            points.append(crop.points.ravel())
        if not kept:
            raise first or _no_face(source, source.name, task.options.align)
    measures = np.concatenate([np.stack(points), coded.active[kept], coded.intensity[kept]], axis=1, dtype=np.float32)
    with atomic_write(beside) as file:
        np.lib.format.write_array(file, measures, allow_pickle=False)
    row = _row(task, kept, shard, beside) | {"flags": [f"detected:{detected}"] if detected else []}
    made = Finished(rows=(row,), failures=tuple(failures))
    write_finished(record, made, key=key, sources=[stamp_of(file) for file in source.files], shards=[shard, beside])
    return made


def _row(task: FaceTask, kept: list[int], shard: Path, beside: Path) -> Row:
    coded = task.source.coded
    stamps = [sha256_of(file) for file in task.source.files]
    return {
        "kind": "face",
        "dtype": "uint8",
        "count": len(kept),
        "size": task.options.size,
        "units": list(coded.units),
        "names": [str(coded.frames[place]) for place in kept],
        "expressions": [coded.expressions[place] for place in kept],
        "content_sha256": content_sha256(np.load(shard, mmap_mode="r")),
        "source_sha256": stamps[0] if len(stamps) == 1 else key_of(stamps),
        "shard": f"{shard.parent.name}/{shard.name}",
        "shard_sha256": sha256_of(shard),
        "coords": f"{beside.parent.name}/{beside.name}",
        "coords_sha256": sha256_of(beside),
    }


def _frames(task: FaceTask) -> Iterator[tuple[int, np.ndarray | DataError]]:
    """Place among coded frames, and pixels ``(H, W, 3)`` or why they cannot be read."""
    source, coded = task.source, task.source.coded
    if source.path.is_dir():
        for place in range(0, len(coded.frames), task.options.every):
            path = source.path / str(coded.frames[place])
            try:
                yield place, rgb_of(read_bytes(path), path=path)
            except DataError as error:
                yield place, error
        return
    wanted = {int(coded.frames[place]): place for place in range(0, len(coded.frames), task.options.every)}
    number = -1
    for number, frame in enumerate(open_video(source.path)):
        if number in wanted:
            pixels = frame.pixels
            yield wanted[number], np.repeat(pixels, 3, axis=2) if pixels.shape[2] == 1 else pixels
    if source.total is not None and number + 1 != source.total:
        raise DataError(
            f"the video has {number + 1} frames, and {source.total} were coded",
            path=source.path,
            field="frames",
            value=number + 1,
            remedy="take the left camera's video of this person, and its own codes",
        )
    if wanted and max(wanted) > number:
        raise DataError(
            f"the video has {number + 1} frames, and frame {max(wanted) + 1} was coded",
            path=source.path,
            field="frames",
            value=number + 1,
            remedy="put the video beside its own table",
        )


def _misplaced(source: FaceSource, frame: object, fault: str) -> DataError:
    return DataError(
        f"its landmarks are none of this picture: {fault}",
        path=source.path / str(frame) if source.path.is_dir() else source.path,
        field="x_0 to y_67",
        value=str(frame),
        remedy="give landmarks in pixels of this very picture, or leave them empty",
    )


def _no_face(source: FaceSource, frame: object, align: Align) -> DataError:
    return DataError(
        "no face was found",
        path=source.path / str(frame) if source.path.is_dir() else source.path,
        field="align",
        value=align,
        remedy="give landmarks (x_0 to y_67 in a table), or --align none if pictures are crops already",
    )
