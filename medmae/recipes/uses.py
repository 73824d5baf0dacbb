"""What the weights of a training can be used on, of the data that it knows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from medmae.data.manifest import NAME, Manifest
from medmae.data.rows import kind_of
from medmae.data.samples import Samples
from medmae.data.source import Source
from medmae.files import read_object

RECORD = "prep.json"


def data_for(wanted: str, *, train: Samples, held_out: Any) -> Path | None:  # noqa: ANN401 (samples of any view)
    """Where data of some form are.

    Args:
        wanted: ``samples`` as in training; ``held_out``, the same, if there are some that training did not see;
            ``classes``, the same, if both show the same classes; ``slides``, prepared from whole slides; ``volumes``,
            the files that a data set was prepared from.
        train: What the training learned from.
        held_out: Of the same source; None if the training has none.

    Returns:
        What ``--dataset_dir`` takes; None if there are no such data, or nobody knows where they are.
    """
    folder, unseen = _folder(train.source), held_out is not None and len(held_out) > 0
    fits = {
        "samples": True,
        "held_out": unseen,
        "classes": unseen and isinstance(held_out, Samples) and _same_classes(train, held_out),
        "slides": isinstance(train.source, Manifest) and {kind_of(row) for row in train.source.rows} == {"slide"},
    }
    if wanted == "volumes":
        return _prepared_from(folder)
    return folder if fits[wanted] else None


def _folder(source: Source) -> Path:
    return source.path.parent if source.path.name == NAME else source.path


def _same_classes(train: Samples, held_out: Samples) -> bool:
    if train.task != "single_label" or held_out.task != train.task or (held_out.labels < 0).any():
        return False
    known = np.unique(train.labels[train.labels >= 0])
    return len(known) > 1 and len(known) == len(train.classes) and set(held_out.labels.tolist()) <= set(known.tolist())


def _prepared_from(folder: Path) -> Path | None:
    if not (folder / RECORD).is_file():
        return None
    source = read_object(folder / RECORD, remedy="prepare the data again").get("source")
    return Path(str(source)) if source and Path(str(source)).exists() else None
