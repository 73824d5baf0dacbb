"""What a run says about its data: the part of ``run.json`` that the report's data table is drawn from."""

from __future__ import annotations

import csv
import hashlib
from collections import Counter
from pathlib import Path
from typing import Any

from medmae.data.manifest import NAME, unit_of
from medmae.data.origin import origins_of
from medmae.data.rows import hashes_of
from medmae.data.source import Source
from medmae.data.splits import SPLITS
from medmae.data.table import Table
from medmae.errors import DataError
from medmae.files import from_json
from medmae.reading import reading


def summarise_data(data: str | Path | Source) -> dict[str, Any]:
    """Summarise a data set for ``run.json["data"]``.

    Args:
        data: The folder that ``medmae prep`` wrote (``manifest.jsonl``, ``summary.csv``, ``quarantine.csv``), its
            manifest, or images that were read as they are.

    Returns:
        ``{"manifest_sha256", "made_of", "unit", "contrasts": [...], "origins": {origin: [...]},
        "subjects": {split: [...]}, "cases": [...], "quarantine": [...], "contents": [...]}``.
        ``origins`` are subjects by where they come from (``real``, ``simulated``), as far as anybody said.
        Subjects are those of the manifest, whatever else is there, and ``unit`` what they are: ``patients`` or
        ``images``. ``made_of`` tells the source from others, whatever its splits. A case has ``case``,
        ``subject``, ``session``, ``split``, ``contrasts``, ``shape``, ``spacing_mm``, ``flags`` and ``slices`` (every
        stored slice of every contrast; 0 of tiles, which have ``tiles`` and what else ``summary.csv`` tells); a
        quarantined record ``case``, ``file``, ``field``, ``value``, ``reason``, ``remedy``. ``contents`` are short
        hashes of what is trained on: of files, and of what was decoded from them.

    Raises:
        DataError: There is no manifest.
    """
    if isinstance(data, Table):
        return _summarise_images(data)
    path = Path(data if isinstance(data, str | Path) else data.path)
    root = path.parent if path.name == NAME else path
    manifest = root / NAME
    if not manifest.is_file():
        raise DataError("no manifest.jsonl here", path=root, remedy="give the folder that `medmae prep` wrote")
    content = manifest.read_bytes()
    with reading(manifest):
        rows = [from_json(line) for line in content.split(b"\n") if line.strip()]  # lines as Manifest has them
    slices = {row["case"]: len(row.get("foreground", [])) * len(row.get("contrasts", [])) for row in rows}
    cases = [{**row, "slices": slices.get(row["case"], 0)} for row in _rows(root / "summary.csv")]
    names = dict.fromkeys(contrast["name"] for row in rows for contrast in row.get("contrasts", []))
    return {
        "manifest_sha256": (sha256 := hashlib.sha256(content).hexdigest()),
        "made_of": sha256,
        "unit": unit_of(rows),
        "contrasts": list(names),
        "origins": origins_of(rows),
        "subjects": {split: sorted({r["subject"] for r in rows if r["split"] == split}) for split in SPLITS},
        "cases": cases,
        "quarantine": _rows(root / "quarantine.csv"),
        "contents": sorted({sha256 for row in rows if row["split"] == "train" for sha256 in hashes_of(row)}),
    }


def _summarise_images(table: Table) -> dict[str, Any]:
    """A case is a patient, or, where none is known, a class in a split."""
    assert table.splits is not None, "data sets give every image its split"
    known = table.patients is not None
    cases: dict[tuple[str, str], Counter[str]] = {}
    flat: Counter[tuple[str, str]] = Counter()  # images of one value
    for place, split in enumerate(table.splits):
        label = table.labels[place] or "no class"
        name = table.owners[place] if known else f"{split} {label}"
        cases.setdefault((name, split), Counter())[label] += 1
        flat[name, split] += table.constant is not None and table.constant(place)
    flags = [] if known else ["no_patient", "split_by_image"]
    return {
        "manifest_sha256": table.sha256,
        "made_of": table.made_of,
        "unit": table.unit,
        "contrasts": [],
        "subjects": {split: list(table.subjects(split)) for split in SPLITS},
        "cases": [
            {
                "case": name,
                "subject": name,
                "split": split,
                "images": counts.total(),
                "classes": " ".join(f"{label}:{number}" for label, number in sorted(counts.items())),
                "flags": " ".join([*flags, *([f"constant:{flat[name, split]}"] if flat[name, split] else [])]),
            }
            for (name, split), counts in sorted(cases.items())
        ],
        "quarantine": [],
        "contents": sorted(table.contents("train")),
    }


def _rows(path: Path) -> list[dict[str, Any]]:
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return [{key: value for key, value in row.items() if key != "seconds"} for row in csv.DictReader(file)]
