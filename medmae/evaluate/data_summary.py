"""What a run says about its data: the part of ``run.json`` that the report's data table is drawn from."""

from __future__ import annotations

import csv
import hashlib
import json
from pathlib import Path
from typing import Any

from medmae.data.splits import SPLITS
from medmae.errors import DataError


def summarise_data(folder: str | Path) -> dict[str, Any]:
    """Summarise a prepared data set for ``run.json["data"]``.

    Args:
        folder: The folder that ``medmae prep`` wrote (``manifest.jsonl``, ``summary.csv``, ``quarantine.csv``).

    Returns:
        ``{"manifest_sha256", "contrasts": [...], "subjects": {split: [...]}, "cases": [...], "quarantine": [...]}``.
        Subjects are those of the manifest, whatever else is there. A case has ``case``,
        ``subject``, ``session``, ``split``, ``contrasts``, ``shape``, ``spacing_mm``, ``flags`` and ``slices`` (every
        stored slice of every contrast; 0 of tiles, which have ``tiles`` and what else ``summary.csv`` tells); a
        quarantined record ``case``, ``file``, ``field``, ``value``, ``reason``, ``remedy``.

    Raises:
        DataError: There is no manifest in ``folder``.
    """
    root = Path(folder)
    manifest = root / "manifest.jsonl"
    if not manifest.is_file():
        raise DataError("no manifest.jsonl here", path=root, remedy="give the folder that `medmae prep` wrote")
    content = manifest.read_bytes()
    rows = [json.loads(line) for line in content.decode().splitlines() if line.strip()]
    slices = {row["case"]: len(row.get("foreground", [])) * len(row.get("contrasts", [])) for row in rows}
    cases = [{**row, "slices": slices.get(row["case"], 0)} for row in _rows(root / "summary.csv")]
    names = dict.fromkeys(contrast["name"] for row in rows for contrast in row.get("contrasts", []))
    return {
        "manifest_sha256": hashlib.sha256(content).hexdigest(),
        "contrasts": list(names),
        "subjects": {split: sorted({r["subject"] for r in rows if r["split"] == split}) for split in SPLITS},
        "cases": cases,
        "quarantine": _rows(root / "quarantine.csv"),
    }


def _rows(path: Path) -> list[dict[str, Any]]:
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return [{key: value for key, value in row.items() if key != "seconds"} for row in csv.DictReader(file)]
