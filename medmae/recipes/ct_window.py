"""The window of CT that weights were trained by: in their header, and asked for wherever they are used."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from medmae.data.manifest import Manifest
from medmae.data.volumes.hounsfield import CTWindow, window_of
from medmae.errors import DataError
from medmae.weights.about import read_about

FIELD = "ct_window"  # of the header


def said_of_ct(data: object) -> Mapping[str, Any]:
    """What the header says of the CT of a data set; nothing where that has none in HU.

    Raises:
        DataError: If it was prepared by several windows: a value would mean two things.
    """
    window = _window(data)
    return {} if window is None else {FIELD: {"lower": window.lower, "upper": window.upper, "unit": "HU"}}


def ct_window_of(weights: str | Path) -> CTWindow | None:
    """By which window the CT was scaled that weights learnt from; None of those that have seen no CT in HU.

    Raises:
        DataError: If the header says it in another form.
    """
    said = read_about(weights).get(FIELD)
    if said is None:
        return None
    try:
        return CTWindow.between(float(said["lower"]), float(said["upper"]))
    except (TypeError, KeyError, ValueError) as error:
        remedy = "take the weights as training wrote them"
        raise DataError("this is no window of CT", path=weights, field=FIELD, value=said, remedy=remedy) from error


def require_ct_window(weights: str | Path, *, data: object) -> None:
    """Refuses data whose CT was prepared by another window than what weights learnt from.

    Args:
        weights: Their file; those that have seen no CT in HU fit anything.
        data: A manifest, or its path; anything else has no CT.

    Raises:
        DataError: If the windows differ.
    """
    trained = ct_window_of(weights)
    if trained is not None and (given := _window(data)) is not None and trained != given:
        raise DataError(
            f"these weights learnt from CT between {trained.lower:g} and {trained.upper:g} HU",
            path=weights,
            field=FIELD,
            value=f"the data: {given.lower:g} to {given.upper:g} HU",
            remedy=f"prepare the data again with --ct-window={trained.centre:g},{trained.width:g}",
        )


def _window(data: object) -> CTWindow | None:
    if not isinstance(data, str | Path | Manifest):
        return None
    manifest = Manifest.of(data)
    try:
        return window_of(manifest.rows)
    except ValueError as error:
        raise DataError(str(error), path=manifest.path, field="normalisation") from error
