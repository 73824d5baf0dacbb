"""What weights were trained for: a small record beside them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from medmae.files import read_object, write_text

NAME = "task.json"


def write_record(model_dir: str | Path, record: Mapping[str, Any]) -> None:
    """Writes ``task.json`` beside weights."""
    write_text(Path(model_dir) / NAME, json.dumps(record, indent=2) + "\n")


def read_record(model_dir: str | Path, *, fields: Iterable[str] = ()) -> dict[str, Any] | None:
    """Reads ``task.json``; None if there is none.

    Args:
        model_dir: Folder of the weights.
        fields: What it must tell.

    Raises:
        DataError: If it is damaged, or of another kind of network.
    """
    path = Path(model_dir) / NAME
    remedy = "put back the one that training wrote beside these weights; without one nobody checks what they are for"
    return read_object(path, remedy=remedy, fields=fields) if path.is_file() else None
