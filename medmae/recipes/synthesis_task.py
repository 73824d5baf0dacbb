"""What a synthesis network was trained to make of what, and on whose pairs: kept beside its weights."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from medmae.data.manifest import Manifest
from medmae.errors import DataError
from medmae.recipes.task_file import NAME, read_record, write_record

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
    write_record(model_dir, record)


def require_task(model_dir: str | Path, *, source: str | None, target: str | None, contrasts: Contrasts) -> None:
    """Refuses to use weights for another task than they were trained for; without a record it warns.

    Raises:
        DataError: If they were trained to make something else, or the record is damaged.
    """
    record, wanted = read_record(model_dir), _task(source, target, contrasts)
    if record is None:
        warnings.warn(f"there is no {NAME} at {model_dir}: nobody can tell what these weights make", stacklevel=3)
        return
    trained = {name: value for name, value in record.items() if name != _PAIRED}
    if trained != wanted:
        raise DataError(
            f"these weights were trained for another task ({trained})",
            path=Path(model_dir) / NAME,
            field="source, target, contrasts",
            value=wanted,
            remedy="pass --source, --target and --contrasts as they were in training",
        )


def paired_subjects(model_dir: str | Path, *, manifest: str | Path) -> tuple[str, ...] | None:
    """Subjects of a data set whose pairs some weights were trained on; None if that is another set, or unknown.

    Args:
        model_dir: Folder of the weights.
        manifest: Of the data set: names mean subjects only within one.

    Raises:
        DataError: If the record is damaged.
    """
    paired = (read_record(model_dir) or {}).get(_PAIRED)
    if paired is None:
        return None
    try:
        of, subjects = paired["manifest_sha256"], tuple(map(str, paired["subjects"]))
    except (KeyError, TypeError) as error:
        raise DataError(
            "this does not tell of whose pairs",
            path=Path(model_dir) / NAME,
            field=_PAIRED,
            value=paired,
            remedy="put back the file that training wrote",
        ) from error
    return subjects if of == Manifest.of(manifest).sha256 else None


def _task(source: str | None, target: str | None, contrasts: Contrasts) -> dict[str, Any]:
    """A pair, or the channels of an any-to-any network."""
    return {"contrasts": list(contrasts)} if contrasts else {"source": source, "target": target}
