"""What a synthesis network was trained to make of what, and on whose pairs: kept beside its weights."""

from __future__ import annotations

import json
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from medmae.data.manifest import Manifest
from medmae.errors import DataError
from medmae.files import write_text

NAME = "task.json"
Contrasts = Sequence[str] | None
_PAIRED = "paired"


def write_task(
    model_dir: str | Path,
    *,
    source: str | None,
    target: str | None,
    contrasts: Contrasts,
    manifest: Manifest,
    paired: Sequence[str],
) -> None:
    """Writes ``task.json``.

    Args:
        model_dir: Folder of the weights.
        source: Contrast that a network of pairs starts from.
        target: Contrast that it makes.
        contrasts: Channels of an any-to-any network, which has neither of these.
        manifest: What it is trained on.
        paired: Subjects of it whose pairs the network sees.
    """
    record = _task(source, target, contrasts)
    record[_PAIRED] = {"manifest_sha256": manifest.sha256, "subjects": list(paired)}
    write_text(Path(model_dir) / NAME, json.dumps(record, indent=2) + "\n")


def require_task(model_dir: str | Path, *, source: str | None, target: str | None, contrasts: Contrasts) -> None:
    """Refuses to use weights for another task than they were trained for; without a record it warns.

    Raises:
        DataError: If they were trained to make something else.
    """
    path, wanted = Path(model_dir) / NAME, _task(source, target, contrasts)
    if not path.is_file():
        warnings.warn(f"there is no {NAME} at {model_dir}: nobody can tell what these weights make", stacklevel=3)
        return
    trained = {name: value for name, value in _read(path).items() if name != _PAIRED}
    if trained != wanted:
        raise DataError(
            f"these weights were trained for another task ({trained})",
            path=path,
            field="source, target, contrasts",
            value=wanted,
            remedy="pass --source, --target and --contrasts as they were in training",
        )


def paired_subjects(model_dir: str | Path, *, manifest: str | Path) -> tuple[str, ...] | None:
    """Subjects of a data set whose pairs some weights were trained on; None if that is another set, or unknown.

    Args:
        model_dir: Folder of the weights.
        manifest: Of the data set: names mean subjects only within one.
    """
    path = Path(model_dir) / NAME
    paired = _read(path).get(_PAIRED) if path.is_file() else None
    if paired is None or paired["manifest_sha256"] != Manifest.of(manifest).sha256:
        return None
    return tuple(paired["subjects"])


def _read(path: Path) -> dict[str, Any]:
    record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return record


def _task(source: str | None, target: str | None, contrasts: Contrasts) -> dict[str, Any]:
    """A pair, or the channels of an any-to-any network."""
    return {"contrasts": list(contrasts)} if contrasts else {"source": source, "target": target}
