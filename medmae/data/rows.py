"""What a row of the manifest holds: its keys, its files, the sources it came from; rooms declare their own kinds."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from medmae.data.origin import ORIGINS
from medmae.data.splits import SPLITS

Row = dict[str, Any]
SHORT = 16  # digits of a hash that tell contents apart in the record of a run
_COMMON: Mapping[str, type] = {
    "case": str,
    "subject": str,
    "split": str,
    "shard": str,
    "shard_sha256": str,
    "dtype": str,
}


def _no_fault(_: Row) -> str | None:
    return None


@dataclass(frozen=True, kw_only=True)
class RowKind:
    """What rows of one kind hold besides what all do. ``KINDS`` in the ``rows.py`` of a room of data are found.

    Attributes:
        name: As rows spell it under ``kind``.
        needs: Keys and types.
        made_by: Command that writes them.
        fault: What else may be wrong with a row that has these keys, or None.
    """

    name: str
    needs: Mapping[str, type]
    made_by: str
    fault: Callable[[Row], str | None] = _no_fault


@cache
def row_kinds() -> Mapping[str, RowKind]:
    """All kinds by name; importing ``rows.py`` of every room of ``medmae.data`` is what finds them."""
    rooms = [room.name for room in pkgutil.iter_modules([str(Path(__file__).parent)], "medmae.data.") if room.ispkg]
    found = [importlib.import_module(f"{room}.rows").KINDS for room in rooms if find_spec(f"{room}.rows")]
    return {kind.name: kind for kinds in found for kind in kinds}


def kind_of(row: Row) -> str:
    """Name of its kind; rows that do not say it are volumes."""
    return str(row.get("kind", "volume"))


def row_fault(row: object) -> str | None:
    """What is wrong with a row, or None."""
    if not isinstance(row, dict):
        return f"a {type(row).__name__} where an object is expected"
    kind = row_kinds().get(kind_of(row))
    if kind is None:
        return f"kind {kind_of(row)!r} is not one of {', '.join(row_kinds())}"
    for key, wanted in (*_COMMON.items(), *kind.needs.items()):
        if key not in row:
            return f"key {key!r} is missing"
        if not isinstance(row[key], wanted):
            return f"{key!r} is {row[key]!r}"
    if row["split"] not in SPLITS:
        return f"split {row['split']!r} is not one of {', '.join(SPLITS)}"
    if row.get("origin", ORIGINS[0]) not in ORIGINS:
        return f"origin {row['origin']!r} is not one of {', '.join(ORIGINS)}"
    return kind.fault(row) or _hash_fault(row)


def _hash_fault(row: Row) -> str | None:
    """Leaks are looked for by hashes: one that is none would let them through."""
    try:
        files_of(row)
        given = row["tiles"]["sha256"] if "tiles" in row else hashes_of(row)
    except (LookupError, TypeError, AttributeError) as error:
        return f"its files and their hashes do not stand there as they are written ({type(error).__name__}: {error})"
    return None if all(isinstance(sha256, str) for sha256 in given) else "a hash of its files is no text"


def files_of(row: Row) -> list[tuple[object, object]]:
    """Path below the manifest's folder, and sha256, of each file of a row."""
    entries = [(row.get("shard"), row.get("shard_sha256"))]
    entries += [(label.get("shard"), label.get("shard_sha256")) for label in row.get("labels", ())]
    parts = [part for part in row.values() if isinstance(part, dict) and "shard" in part]  # its sound, its patches
    entries += [(part["shard"], part.get("shard_sha256")) for part in parts]
    entries += [(series.get("shard"), series.get("shard_sha256")) for series in row.get("series", ())]
    return entries + ([(row["coords"], row["coords_sha256"])] if "coords" in row else [])


def contents_of(row: Row) -> list[tuple[str, str]]:
    """Hash of what was decoded, and name, of each thing that a row holds; what is constant has no say."""
    if "tiles" in row:
        pairs = zip(row["tiles"].get("content_sha256", ()), row["tiles"]["name"], strict=False)
        return [(sha256, name) for sha256, name in pairs if sha256]
    found = [(entry, f"{row['case']} {entry.get('name', '')}".strip()) for entry in (row, *row.get("contrasts", ()))]
    return [
        (str(entry["content_sha256"]), name)
        for entry, name in found
        if entry.get("content_sha256") and "constant" not in entry.get("flags", ())
    ]


def hashes_of(row: Row) -> set[str]:
    """Short hashes of the files a row was made from, and of what was decoded from them."""
    return {sha256[:SHORT] for sha256, _ in (*sources_of(row), *contents_of(row))}


def sources_of(row: Row) -> list[tuple[str, str]]:
    """Hash and name of each file that a row was made from, as far as the hash is known."""
    if "tiles" in row:
        return list(zip(row["tiles"]["sha256"], row["tiles"]["name"], strict=True))
    found = [(entry.get("source_sha256"), str(entry.get("source"))) for entry in (row, *row.get("contrasts", ()))]
    return [(sha256, name) for sha256, name in found if sha256]
