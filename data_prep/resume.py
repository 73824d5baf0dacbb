"""What an earlier run has finished: written down last, trusted only while sources and shards are what they were."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medmae.files import from_json, sha256_of, write_text

Row = dict[str, Any]
Stamp = tuple[int, int, str]  # bytes, time of change in ns, sha256


@dataclass(frozen=True, kw_only=True)
class Finished:
    """A case as it was finished.

    Args:
        rows: Manifest rows.
        failures: Lines of ``quarantine.csv``.
    """

    rows: tuple[Row, ...]
    failures: tuple[Row, ...] = ()


def key_of(*values: object) -> str:
    """Short hash of whatever shapes a shard."""
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:16]


def stamp_of(path: Path, sha256: str | None = None) -> Stamp:
    """Size, time and hash of a file (computed, unless it is known)."""
    state = path.stat()
    return state.st_size, state.st_mtime_ns, sha256_of(path) if sha256 is None else sha256


def finished(record: Path, *, key: str, sources: Sequence[Path], make: Callable[[], Finished]) -> tuple[Finished, bool]:
    """What an earlier run made of the same files with the same options, or what is made now; and whether it is kept.

    Args:
        record: JSON file beside the shards.
        key: Of the options, see :func:`key_of`.
        sources: Files.
        make: Makes the shards, then writes the record.
    """
    kept = read_finished(record, key=key, sources=sources)
    if kept is None:
        record.unlink(missing_ok=True)
    return (make(), False) if kept is None else (kept, True)


def write_finished(
    path: Path, finished: Finished, *, key: str, sources: Iterable[Stamp], shards: Sequence[Path]
) -> None:
    """Remembers a finished case, after its shards.

    Args:
        path: JSON file beside the shards.
        finished: What to remember.
        key: Of its options, see :func:`key_of`.
        sources: Stamps of the files it was made of.
        shards: Files that were made.
    """
    record = {
        "key": key,
        "rows": finished.rows,
        "failures": finished.failures,
        "sources": list(sources),
        "shards": {shard.name: stamp_of(shard) for shard in shards},
    }
    write_text(path, json.dumps(record, allow_nan=False) + "\n")


def read_finished(path: Path, *, key: str, sources: Sequence[Path]) -> Finished | None:
    """What an earlier run made of the same files with the same options, or None.

    A file of the same size and time is taken as the same, as rsync and make do; of another time, its hash decides.
    """
    try:
        record = from_json(path.read_text())
        if record["key"] != key or len(record["sources"]) != len(sources):
            return None
        stamped = [*zip(sources, record["sources"], strict=True)]
        stamped += [(path.with_name(name), stamp) for name, stamp in record["shards"].items()]
        if not all(_unchanged(file, stamp) for file, stamp in stamped):
            return None
        return Finished(rows=tuple(record["rows"]), failures=tuple(record["failures"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _unchanged(path: Path, stamp: Sequence[Any]) -> bool:
    size, time, sha256 = stamp
    state = path.stat()
    return state.st_size == size and (state.st_mtime_ns == time or sha256_of(path) == sha256)
