"""What a row of the manifest holds, by kind of data: its keys, its files, the sources it came from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from medmae.data.splits import SPLITS

Row = dict[str, Any]
_COMMON: Mapping[str, type] = {
    "case": str,
    "subject": str,
    "split": str,
    "shard": str,
    "shard_sha256": str,
    "dtype": str,
}
_OF_KIND: Mapping[str, Mapping[str, type]] = {
    "volume": {"contrasts": list, "labels": list, "grid": dict, "foreground": list},  # data_prep.mr
    "slide": {"count": int, "coords": str, "coords_sha256": str, "grid": dict, "source_sha256": str},  # data_prep.wsi
    "tiles": {"count": int, "tiles": dict},  # data_prep.tiles
}
_COLUMNS = ("name", "sha256", "label", "slide")  # of "tiles": one entry a tile


def kind_of(row: Row) -> str:
    """``volume``, ``slide`` or ``tiles``; rows that do not say it are volumes."""
    return str(row.get("kind", "volume"))


def row_fault(row: object) -> str | None:
    """What is wrong with a row, or None."""
    if not isinstance(row, dict):
        return f"a {type(row).__name__} where an object is expected"
    kind = kind_of(row)
    if kind not in _OF_KIND:
        return f"kind {kind!r} is not one of {', '.join(_OF_KIND)}"
    for key, wanted in (*_COMMON.items(), *_OF_KIND[kind].items()):
        if key not in row:
            return f"key {key!r} is missing"
        if not isinstance(row[key], wanted):
            return f"{key!r} is {row[key]!r}"
    if row["split"] not in SPLITS:
        return f"split {row['split']!r} is not one of {', '.join(SPLITS)}"
    return {"volume": _volume_fault, "tiles": _tiles_fault}.get(kind, _no_fault)(row)


def _no_fault(_: Row) -> None:
    return None


def _volume_fault(row: Row) -> str | None:
    names = [contrast.get("name") for contrast in row["contrasts"] if isinstance(contrast, dict)]
    if not names or len(names) != len(row["contrasts"]) or None in names or len(set(names)) < len(names):
        return f"'contrasts' must be objects with different names, got {names}"
    return None


def _tiles_fault(row: Row) -> str | None:
    for column in _COLUMNS:
        entries = row["tiles"].get(column)
        if not isinstance(entries, list) or len(entries) != row["count"]:
            return f"'tiles' must have {row['count']} entries of {column!r}"
    return None


def files_of(row: Row) -> list[tuple[object, object]]:
    """Path below the manifest's folder, and sha256, of each file of a row."""
    entries = [(row.get("shard"), row.get("shard_sha256"))]
    entries += [(label.get("shard"), label.get("shard_sha256")) for label in row.get("labels", ())]
    return entries + ([(row["coords"], row["coords_sha256"])] if "coords" in row else [])


def sources_of(row: Row) -> list[tuple[str, str]]:
    """Hash and name of each file that a row was made from, as far as the hash is known."""
    if "tiles" in row:
        return list(zip(row["tiles"]["sha256"], row["tiles"]["name"], strict=True))
    found = [(entry.get("source_sha256"), str(entry.get("source"))) for entry in (row, *row.get("contrasts", ()))]
    return [(sha256, name) for sha256, name in found if sha256]
