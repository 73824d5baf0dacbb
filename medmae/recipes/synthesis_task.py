"""What a network of synthesis makes of what: in the header of its weights, and beside them."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from medmae.data.manifest import Manifest
from medmae.data.volumes.target_intensity import NAME as INTENSITIES
from medmae.errors import DataError
from medmae.files import read_object
from medmae.recipes.task_file import NAME, RUN, record_of, task_of, write_record
from medmae.weights.about import read_about, task_in

Contrasts = Sequence[str] | None
WEIGHTS = "synthesis.safetensors"
TARGET_INTENSITY = "target_intensity"  # in the header
_PAIRED = "paired"


def write_task(
    model_dir: str | Path,
    *,
    source: str | None,
    target: str | None,
    contrasts: Contrasts,
    manifest: Manifest,
    paired: Sequence[str],
    run: str | None = None,
) -> None:
    """Writes ``task.json``.

    Args:
        model_dir: Folder of the weights.
        source: Contrast that a network of pairs starts from.
        target: Contrast that it makes.
        contrasts: Channels of an any-to-any network, which has neither of these.
        manifest: What it is trained on.
        paired: Subjects of it whose pairs the network sees.
        run: Id of the training.
    """
    record: dict[str, Any] = {} if run is None else {RUN: run}
    record |= task(source, target, contrasts)
    record[_PAIRED] = {"manifest_sha256": manifest.sha256, "subjects": list(paired)}
    write_record(model_dir, record)


def require_task(model_dir: str | Path, *, source: str | None, target: str | None, contrasts: Contrasts) -> None:
    """Refuses to use weights for another task than they were trained for; where nothing says which, it warns.

    Raises:
        DataError: If they were trained to make something else, or the record is damaged.
    """
    weights = Path(model_dir) / WEIGHTS
    said, said_by = task_of(weights)
    wanted = task(source, target, contrasts)
    if said is None:
        warnings.warn(
            f"{weights} does not say what it makes, and there is no {NAME} at {model_dir}: nobody can tell what these "
            "weights make; see that --source, --target and --contrasts are those of training",
            stacklevel=3,
        )
        return
    trained = {name: value for name, value in said.items() if name not in (_PAIRED, TARGET_INTENSITY)}
    if trained != wanted:
        raise DataError(
            f"these weights were trained for another task ({trained})",
            path=said_by,
            field="source, target, contrasts",
            value=wanted,
            remedy="leave --source, --target and --contrasts out, or pass them as they were in training",
        )


def paired_subjects(model_dir: str | Path, *, manifest: str | Path) -> tuple[str, ...] | None:
    """Subjects of a data set whose pairs some weights were trained on; None if that is another set, or unknown.

    Args:
        model_dir: Folder of the weights.
        manifest: Of the data set: names mean subjects only within one.

    Raises:
        DataError: If the record is damaged.
    """
    paired = record_of(Path(model_dir) / WEIGHTS).get(_PAIRED)
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


def intensities_of(weights: str | Path, given: str | Path | None) -> str | Path | None:
    """Where the intensities of what weights make are told: their header goes before the file beside them.

    That file may be of another training, which is said aloud. A file of elsewhere, and None, are somebody's choice.

    Args:
        weights: Their file.
        given: What was asked for; None: nothing.
    """
    weights = Path(weights)
    told = task_in(weights).get(TARGET_INTENSITY)
    beside = weights.parent / INTENSITIES
    if told is None or given is None or Path(given).absolute() != beside.absolute():
        return given
    if beside.is_file() and _contrasts(read_object(beside, remedy="delete it: the weights say it, too")) != _contrasts(
        told
    ):
        warnings.warn(
            f"{beside} is not of the training that made {weights.name} (run {read_about(weights).get(RUN)}): the "
            "intensities that the weights themselves tell are taken",
            stacklevel=3,
        )
    return weights


def task(source: str | None, target: str | None, contrasts: Contrasts) -> dict[str, Any]:
    """A pair, or the channels of an any-to-any network."""
    return {"contrasts": list(contrasts)} if contrasts else {"source": source, "target": target}


def _contrasts(record: Mapping[str, Any]) -> object:
    return record.get("contrasts")
