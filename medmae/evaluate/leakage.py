"""Refuses to evaluate weights on patients whom they have seen in training."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

from medmae.data.image_table import ImageTable
from medmae.data.manifest import Manifest, refuse_seen
from medmae.errors import DataError

RECORD = "run.json"


def require_unseen(
    *, model_dir: str | Path, manifest: str | Path | ImageTable, split: str = "test", allow: bool = False
) -> None:
    """Compares the subjects to evaluate with those that the run behind some weights trained on.

    The run's ``run.json``, in ``model_dir`` or the folder above it, names them. Weights without one come from
    elsewhere: nobody here can tell whom they have seen, and a warning says so.

    Args:
        model_dir: Folder of the weights.
        manifest: Of the data to evaluate on; or images with their splits.
        split: Of that data.
        allow: True declares the evaluation transductive, on patients who were seen on purpose: it is warned of.

    Raises:
        DataError: With the subjects that were seen, or if the record cannot be read.
    """
    seen = subjects_seen(model_dir)
    if not seen:
        warnings.warn(
            f"no {RECORD} at {model_dir} with subjects: nobody can tell whom these weights have seen", stacklevel=2
        )
        return
    try:
        refuse_seen(seen, manifest if isinstance(manifest, ImageTable) else Manifest.read(manifest), split=split)
    except DataError as error:
        if not allow or error.field != "subject":
            raise
        warnings.warn(f"transductive evaluation: {error.reason}", stacklevel=2)


def subjects_seen(model_dir: str | Path) -> set[str]:
    """Whom the run behind some weights trained on, and those behind the weights that it began with; maybe nobody.

    Raises:
        DataError: If there is a record that cannot be read.
    """
    folder = Path(model_dir).absolute()
    record = next((path for path in (folder / RECORD, folder.parent / RECORD) if path.is_file()), None)
    if record is None:
        return set()
    try:
        content = json.loads(record.read_text(encoding="utf-8"))
        return {*content["data"]["subjects"]["train"], *content.get("pretrained_on", ())}
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(
            "the record of the run cannot be read", path=record, remedy="train again, or take other weights"
        ) from error
