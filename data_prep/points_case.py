"""The shapes of one file, from it to their shards and rows, in a process of its own."""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from data_prep.media_case import MediaTask
from data_prep.outcome import NO_PATIENT, CaseResult, Row
from data_prep.points_shapes import Made, ShapeOptions, made_of
from data_prep.resume import Finished, finished, key_of, stamp_of, write_finished
from data_prep.tables import failure_row
from data_prep.video_source import VideoSource
from medmae.child import run_in_child
from medmae.errors import DataError
from medmae.files import atomic_write, sha256_of

FORMAT = 2  # of shards and rows; a new number makes everything be prepared anew
SPLIT_BY_SHAPE = "split_by_shape"  # flag: each shape of an array is its own subject


class PointTask(MediaTask):
    """What a worker needs for one file, or one array of it."""

    @property
    def array(self) -> str | None:
        """Which array of the file; None of a file of one shape, or of a segmentation."""
        return dict(self.source.about).get("array")  # type: ignore[return-value]


def prepare_points(task: PointTask) -> CaseResult:
    """Prepares the shapes of one file, or keeps what an earlier run made of the same bytes and options.

    Raises:
        DataError: Whatever is wrong with it, also that its reader crashed or did not come to an end.
    """
    start = time.perf_counter()
    source = task.source
    if source.fault is not None:
        raise source.fault
    key = key_of(FORMAT, asdict(task.options), source.case, task.array)
    record = task.shards / f"{source.case}.json"
    done, kept = finished(record, key=key, sources=source.files, make=lambda: _made(task, key, record))
    if not done.rows:
        first = done.failures[0]
        raise DataError(first["reason"], path=first["file"] or source.path, field=first["field"], value=first["value"])
    rows = tuple(_told(row, source, key) for row in done.rows)
    return CaseResult(rows=rows, kept=kept, seconds=time.perf_counter() - start, failures=done.failures)


def _made(task: PointTask, key: str, record: Path) -> Finished:
    argument = {
        "path": str(task.source.path),
        "shards": str(task.shards),
        "case": task.source.case,
        "array": task.array,
        "voxels": bool(dict(task.source.about).get("voxels")),
        "options": asdict(task.options),
    }
    answer = run_in_child("data_prep.points_case:store_points", argument, path=task.source.path, limit_s=task.limit_s)
    made = Finished(rows=tuple(answer["rows"]), failures=tuple(answer["failures"]))
    shards = [task.shards / name for name in answer["shards"]]
    stamps = [stamp_of(task.source.path, answer["source_sha256"])]
    write_finished(record, made, key=key, sources=stamps, shards=shards)
    return made


def store_points(task: dict[str, Any]) -> dict[str, Any]:
    """The work itself; argument and result are what JSON can hold.

    Raises:
        DataError: See :func:`data_prep.points_shapes.made_of`.
    """
    path, shards = Path(task["path"]), Path(task["shards"])
    options = ShapeOptions(**{**task["options"], "labels": tuple(task["options"]["labels"])})
    made: list[Made] = []
    failures = []
    for one in made_of(path, options, array=task["array"], voxels=task["voxels"]):
        if isinstance(one, DataError):
            failures.append(failure_row(f"{task['case']}_{str(one.path).rpartition('/')[2]}", one))
        else:
            made.append(one)
    sha256 = sha256_of(path)
    if not made:
        return {"rows": [], "failures": failures, "shards": [], "source_sha256": sha256}
    clouds = _stored(shards / f"{task['case']}.npy", np.stack([one.cloud for one in made]))
    # Shapes of one array are of many subjects: they are told apart by what they hold, not by their common file.
    about: Row = {**clouds, "source_sha256" if task["array"] is None else "file_sha256": sha256}
    if options.patches:
        members = np.stack([one.members for one in made if one.members is not None])
        found = _stored(shards / f"{task['case']}__patches.npy", members)
        about["patches"] = {"count": options.patches, "size": options.patch_points, **found}
    rows = [{**one.row, **about, "name": one.name, "place": place} for place, one in enumerate(made)]
    written = [about["shard"], *([about["patches"]["shard"]] if options.patches else [])]
    return {
        "rows": rows,
        "failures": failures,
        "shards": [Path(name).name for name in written],
        "source_sha256": sha256,
    }


def _stored(shard: Path, array: np.ndarray) -> dict[str, str]:
    with atomic_write(shard) as file:
        np.lib.format.write_array(file, array, allow_pickle=False)
    return {"shard": f"{shard.parent.name}/{shard.name}", "shard_sha256": sha256_of(shard)}


def _told(stored: Row, source: VideoSource, key: str) -> Row:
    """A row with whose it is and what is said of it; shapes of an array are each their own subject."""
    row = dict(stored)
    name = row.pop("name")
    case = f"{source.case}_{name.replace(' ', '_').replace('/', '_')}" if name else source.case
    about = dict(source.about)
    many = "array" in about
    segment = source.segments[int(name)] if many else source.segments[0]
    subjects: tuple[str, ...] | None = about.get("subjects")  # type: ignore[assignment]
    mine = subjects[int(name)] if many and subjects else None
    flags = [
        *row["flags"],
        *([] if source.known or mine else [NO_PATIENT]),
        *([SPLIT_BY_SHAPE] if many and not mine else []),
    ]
    subject = source.subject if source.known or not many else mine or case
    own = {"subject": subject, "session": source.session}
    # Labels of a segmentation are its classes where nobody names another one.
    label = segment.label if many or segment.label is not None or not name else name
    said = {"label": label, "value": segment.value, "source": str(source.path), "options_sha256": key}
    more = {name_: value for name_, value in source.about if name_ not in ("array", "voxels", "subjects")}
    return {"case": case, **own, **row, **said, **more, "structure": None if many else name or None, "flags": flags}
