"""C3D: markers of motion capture, by ezc3d (extra ``skeleton``)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from medmae.data.skeletons.layouts import Layout
from medmae.data.skeletons.recording import UNITS, Recording, recording_of
from medmae.errors import DataError
from medmae.reading import check_budget, reading

_SPELT = {"metre": "m", "meter": "m", "meters": "m", "millimetre": "mm", "millimeter": "mm", "in": "inch"}


def read_c3d(path: Path, *, layout: Layout | None = None) -> Recording:
    """Points of a file, by their labels.

    Args:
        path: The file.
        layout: Joints to take, by name, and their bones; None takes all labelled points, without bones.

    Raises:
        DataError: If it is damaged, has no points, two of one label, no known unit, or lacks joints of the layout.
        ModuleNotFoundError: If ezc3d is not installed, with how to get it.
    """
    try:
        import ezc3d
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError("C3D files need ezc3d: pip install 'ezc3d>=1.7'") from error
    check_budget(8 * path.stat().st_size, path=path, field="bytes", value=path.stat().st_size)
    with reading(path, what="the C3D file"):
        held = ezc3d.c3d(str(path))
        points, about = held["data"]["points"], held["parameters"]["POINT"]  # (4, N, T)
        residuals = held["data"]["meta_points"]["residuals"][0]  # (N, T); negative where there is none
    labels = [str(name) for name in _value(about, "LABELS", [])][: points.shape[1]]
    if not labels or len(set(labels)) != len(labels) or len(labels) != points.shape[1]:
        raise DataError(
            "points have no labels, or two of one name",
            path=path,
            field="POINT:LABELS",
            value=labels[:20],
            remedy="name the markers before the export",
        )
    order = list(range(len(labels))) if layout is None else layout.order_of(labels)
    own = layout or Layout(name="markers", joints=tuple(labels), bones=(), root=labels[0])
    unit = _unit(_value(about, "UNITS", [""]), path)
    rate = float(_value(about, "RATE", [0.0])[0])
    return recording_of(
        path,
        layout=own,
        positions=points[:3, order].transpose(2, 1, 0)[:, None],
        confidence=(residuals[order] >= 0).T[:, None].astype(float),
        rate=rate if rate > 0 else None,
        unit=unit,
        axes=_axes(about),
        container="c3d",
        flags=() if rate > 0 else ("no_rate",),
    )


def _unit(words: Any, path: Path) -> Any:  # noqa: ANN401
    word = str(words[0]).strip().lower() if len(words) else ""
    unit = _SPELT.get(word, word)
    if unit not in UNITS:
        raise DataError(
            "the file does not say in which unit its points are",
            path=path,
            field="POINT:UNITS",
            value=word,
            remedy=f"write one of {', '.join(UNITS)} there",
        )
    return unit


def _axes(about: Any) -> str:  # noqa: ANN401
    words = [
        f"{name[0].lower()} of the screen is {value[0]}"
        for name in ("X_SCREEN", "Y_SCREEN")
        if (value := _value(about, name, []))
    ]
    return ", ".join(words) or "not said"


def _value(about: Any, name: str, otherwise: Any) -> Any:  # noqa: ANN401
    found = about[name]["value"] if name in about else otherwise
    return otherwise if found is None or not len(found) else found
