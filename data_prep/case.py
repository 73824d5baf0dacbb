"""One case, from its files to its shards: read, compare grids, orient, crop, normalise, write."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
import time
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from data_prep.grids import grid_flags, resampled
from data_prep.outcome import CaseResult, Row
from data_prep.tables import failure_row
from medmae.data.names import file_name_of
from medmae.data.shards import open_shard, sha256_of_shard
from medmae.data.volumes.case import Case
from medmae.data.volumes.grid import Grid
from medmae.data.volumes.hounsfield import UNIT, CTWindow, fitted, in_hounsfield, is_ct, outside
from medmae.data.volumes.intensity import Normalisation, Rule
from medmae.data.volumes.label_like import LIKE_LABELS, check_label, holds_labels, refuse_labels
from medmae.data.volumes.nifti import NanPolicy, Volume
from medmae.data.volumes.nifti_header import Repair
from medmae.data.volumes.one_grid import content_box, on_one_grid
from medmae.data.volumes.origin import declared_origin
from medmae.data.volumes.volume_file import Source, load_source, sha256_of_source
from medmae.errors import DataError
from medmae.files import atomic_write, content_sha256, from_json, write_text
from medmae.reading import LIMIT_GB

FORMAT = 2  # of shards and rows; a new number makes every case be prepared anew


@dataclass(frozen=True, kw_only=True)
class Options:
    """What shapes the shards; a case is prepared anew when one of these changes.

    Args:
        resample_to: Contrast whose grid the others of a case are resampled onto; None refuses unequal grids.
        dtype: Of the shards.
        nan: What to do with NaN and infinite voxels.
        limit_gb: Largest uncompressed volume.
        background: How background is found, see :meth:`medmae.data.volumes.intensity.Normalisation.fit`.
        margin: Voxels kept around the content of a case.
        repair_affine: ``"qform"`` replaces an unusable sform.
        zarr: Write zarr arrays (a chunk a slice) rather than ``.npy``.
        ct_window: Of CT in HU; None for a case without CT.
        require_hu: Refuses CT in other units, which is scaled by percentiles and flagged else.
    """

    resample_to: str | None = None
    dtype: Literal["float16", "float32"] = "float16"
    nan: NanPolicy = "error"
    limit_gb: float = LIMIT_GB
    background: Rule = "auto"
    margin: int = 2
    repair_affine: Repair | None = None
    zarr: bool = False
    ct_window: CTWindow | None = None
    require_hu: bool = False

    @property
    def fingerprint(self) -> str:
        """Short hash of all options and of the format; those of CT count where there is CT."""
        shaping = asdict(self)
        if self.ct_window is None:
            del shaping["ct_window"], shaping["require_hu"]
        return hashlib.sha256(json.dumps([FORMAT, shaping], sort_keys=True).encode()).hexdigest()[:16]


@dataclass(frozen=True, kw_only=True)
class CaseTask:
    """What a worker needs for one case."""

    case: Case
    shards: Path
    options: Options


def prepare_case(task: CaseTask) -> CaseResult:
    """Prepares one case, or keeps what an earlier run made of the same bytes with the same options.

    Raises:
        DataError: Whatever is wrong with the case; no row of it is in the shards folder then.
    """
    start = time.perf_counter()
    if task.case.fault is not None:
        raise task.case.fault
    lost = [failure_row(task.case.case, one.error) for one in task.case.lost]
    kept = _kept(task)
    if kept is None:
        _record_path(task).unlink(missing_ok=True)
        row, failures = _prepared(task)
        record = {"row": row, "failures": failures, "sources": _stamps(task.case)}
        # Last, and atomically: a record on disk means that its shards are whole.
        write_text(_record_path(task), json.dumps(record, allow_nan=False) + "\n")
    else:
        row, failures = kept
    seconds = time.perf_counter() - start
    row = _declared(row, task)
    return CaseResult(rows=(row,), kept=kept is not None, seconds=seconds, failures=(*failures, *lost))


def _declared(row: Row, task: CaseTask) -> Row:
    """A row with what its files declare of their origin, which is read anew each time and not stored with the shard."""
    origin = declared_origin(task.case.contrasts)
    return row if origin is None else {**row, "origin": origin}


def _record_path(task: CaseTask) -> Path:
    return task.shards / f"{task.case.case}.json"


def _stamps(case: Case) -> list[list[Any]]:
    """What tells the volumes of a case from those of an earlier run: name, hash, and what the search saw."""
    return [[one.name, _sha256(one), list(one.flags)] for one in (*case.contrasts, *case.labels)]


def _kept(task: CaseTask) -> tuple[Row, list[Row]] | None:
    """Row and failures of an earlier run, if all that shaped them is what it was."""
    case = task.case
    try:
        record = from_json(_record_path(task).read_text())
        row: Row = record.get("row", record)  # until version 2 of manifests, a row alone
        entries = (*row["contrasts"], *row["labels"])
        stored = record.get("sources") or [[entry["name"], entry["source_sha256"], []] for entry in entries]
        same = row["options_sha256"] == task.options.fingerprint and row["case"] == case.case
        shards = [(task.shards.parent / entry["shard"], entry["shard_sha256"]) for entry in (row, *row["labels"])]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    if not same or stored != _stamps(case) or not all(_whole(shard, sha256) for shard, sha256 in shards):
        return None
    # A moved source folder does not change a shard; the row tells where the files are now.
    for some, sources in ((row["contrasts"], case.contrasts), (row["labels"], case.labels)):
        paths = {source.name: str(source.path) for source in sources}
        for entry in some:
            entry["source"] = paths[entry["name"]]
    flags = _case_flags(Grid.from_dict(row["grid"]), case, {entry["name"] for entry in entries})
    return row | {"subject": case.subject, "session": case.session, "flags": flags}, record.get("failures", [])


def _whole(shard: Path, sha256: str) -> bool:
    """Whether a shard is what was written: preparing again must mend what verifying complains of."""
    try:
        open_shard(shard)
        return sha256_of_shard(shard) == sha256
    except (DataError, OSError):
        return False


def _sha256(source: Source) -> str | None:
    try:
        return sha256_of_source(source)
    except OSError:
        return None


def _loaded(sources: Sequence[Source], task: CaseTask) -> tuple[dict[str, Volume], list[DataError]]:
    """What can be read of some volumes, and why the others cannot: one bad file costs nothing but itself."""
    options = task.options
    found: dict[str, Volume] = {}
    errors = []
    for source in sources:
        try:
            volume = load_source(
                source, nan=options.nan, limit_gb=options.limit_gb, repair_affine=options.repair_affine
            )
            found[source.name] = _checked(volume, source, task)
        except DataError as error:
            errors.append(error)
    return found, errors


def _checked(volume: Volume, source: Source, task: CaseTask) -> Volume:
    """A volume that is what it is called: a label map, or an image, CT in its units."""
    options = task.options
    if source in task.case.labels:
        check_label(volume.array, path=source.path)
        return volume
    if not source.said:
        refuse_labels(volume.array, path=source.first)
    elif holds_labels(volume.array):
        volume = replace(volume, flags=(*volume.flags, LIKE_LABELS))
    if options.ct_window is not None and is_ct(source.name):
        return in_hounsfield(volume, path=source.path, required=options.require_hu)
    return volume


def _prepared(task: CaseTask) -> tuple[Row, list[Row]]:
    case, options = task.case, task.options
    images, errors = _loaded(case.contrasts, task)
    if not images:
        raise errors[0]
    labels, others = _loaded(case.labels, task)
    contents = {name: content_sha256(volume.grid.to_canonical(volume.array)) for name, volume in images.items()}
    paths = {source.name: source.path for source in (*case.contrasts, *case.labels)}
    if options.resample_to is not None:
        images, labels = resampled(images, labels, onto=options.resample_to, case=case.case)
    images, labels, off = on_one_grid(images, labels, case=case.case, paths=paths)
    failures = [failure_row(case.case, error) for error in (*errors, *others, *off)]
    scaling: dict[str, Any] = {"window": options.ct_window, "rule": options.background}
    fits = {name: fitted(volume, contrast=name, **scaling) for name, volume in images.items()}
    grid = next(iter(images.values())).grid
    content = [images[name].array != fits[name].background for name in images] + [v.array > 0 for v in labels.values()]
    grid = grid.cropped(content_box(grid, content, margin=options.margin))
    row: Row = {"case": case.case, "subject": case.subject, "session": case.session}
    row |= _store_images(images, fits, grid, task)
    row["contrasts"] = [
        _contrast(name, paths[name], images, fits[name], contents[name], options.dtype) for name in images
    ]
    row["labels"] = [_store_label(name, paths[name], volume, grid, task) for name, volume in labels.items()]
    row["grid"] = grid.to_dict()
    foreground = np.logical_or.reduce([fits[name].foreground(images[name].array) for name in images])
    row["foreground"] = [round(float(share), 5) for share in grid.to_canonical(foreground).mean(axis=(1, 2))]
    row["options_sha256"] = options.fingerprint
    row["flags"] = _case_flags(grid, case, {*images, *labels})
    return row, failures


def _store_images(images: dict[str, Volume], fits: dict[str, Normalisation], grid: Grid, task: CaseTask) -> Row:
    S, H, W = grid.stored_shape
    block = np.empty((S, len(images), H, W), dtype=task.options.dtype)  # slice-major
    for place, (name, volume) in enumerate(images.items()):
        block[:, place] = fits[name].apply(grid.to_canonical(volume.array))
    path = _write_array(block, task.shards / task.case.case, zarr=task.options.zarr)
    return {
        "shard": f"{task.shards.name}/{path.name}",
        "shard_sha256": sha256_of_shard(path),
        "dtype": task.options.dtype,
    }


def _store_label(name: str, source: Path, volume: Volume, grid: Grid, task: CaseTask) -> Row:
    stored = grid.to_canonical(volume.array.astype(np.uint8))
    path = _write_array(stored, task.shards / f"{task.case.case}__{file_name_of(name)}", zarr=task.options.zarr)
    return {
        "name": name,
        "flags": list(volume.flags),
        "source": str(source),
        "source_sha256": volume.sha256,
        "shard": f"{task.shards.name}/{path.name}",
        "shard_sha256": sha256_of_shard(path),
    }


def _contrast(name: str, source: Path, images: dict[str, Volume], fit: Normalisation, content: str, dtype: str) -> Row:
    volume = images[name]
    twins = [other for other, v in images.items() if other != name and v.sha256 == volume.sha256]
    flags = [*volume.flags, *(f"same_file_as:{other}" for other in twins)]
    flags += fit.flags(volume.array, dtype=dtype)
    if fit.rule == "otsu" and fit.unit is None:  # the air of a CT is never one value
        flags.append("noisy_background")
    cut = {"outside_window": outside(fit, volume.array)} if fit.unit == UNIT else {}
    return {
        "name": name,
        "source": str(source),
        "source_sha256": volume.sha256,
        "content_sha256": content,
        "normalisation": fit.to_dict(),
        **cut,
        "flags": flags,
    }


def _case_flags(grid: Grid, case: Case, used: Collection[str]) -> list[str]:
    gone = [one.name for one in (*case.contrasts, *case.labels) if one.name not in used]
    return [*grid_flags(grid), *case.flags, *(f"without:{name}" for name in gone)]


def _write_array(array: np.ndarray, stem: Path, *, zarr: bool) -> Path:
    """Writes ``stem.npy`` or ``stem.zarr``; an older one is replaced only by a whole one."""
    if not zarr:
        path = stem.with_name(f"{stem.name}.npy")
        with atomic_write(path) as file:
            np.lib.format.write_array(file, array, allow_pickle=False)
        return path
    path = stem.with_name(f"{stem.name}.zarr")
    path.parent.mkdir(parents=True, exist_ok=True)
    temp = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}."))
    try:
        _zarr(temp / path.name, array)
        shutil.rmtree(path, ignore_errors=True)
        (temp / path.name).rename(path)
    finally:
        shutil.rmtree(temp, ignore_errors=True)
    return path


def _zarr(path: Path, array: np.ndarray) -> None:
    try:
        import zarr
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError("--zarr needs the package zarr: pip install zarr", name="zarr") from error
    chunk = (1,) * (array.ndim - 2) + array.shape[-2:]  # one slice of one contrast
    zarr.create_array(path, data=array, chunks=chunk, overwrite=True)
