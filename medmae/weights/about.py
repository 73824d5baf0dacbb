"""What our weight files say of the training that made them, beside their network: see :func:`about_header`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from medmae.weights.header import entry, read_entry
from medmae.weights.seen import check_seals

FIELD = "about"
About = Mapping[str, Any]


def about_header(about: About) -> dict[str, str]:
    """An entry for the metadata of a safetensors file.

    Args:
        about: ``run``, the id of the training; ``method`` and ``preset``, with what was ``changed`` of it; ``kinds`` of
            data by name; ``task``; ``seen``, whom it saw, hashed; ``data`` and ``versions``; ``splits``, how images
            were split; ``ct_window`` of CT in HU.
    """
    return entry(FIELD, dict(about))


def read_about(path: str | Path) -> dict[str, Any]:
    """What the header of a file says of its training; nothing of other files, of those without, and of missing ones.

    Raises:
        DataError: If the header says it in another form than :func:`about_header`.
    """
    return read_entry(path, FIELD, _parsed, empty={}) if Path(path).is_file() else {}


def task_in(path: str | Path) -> Mapping[str, Any]:
    """What the header of a file says that its network was trained for; nothing of those that do not say it."""
    task: Mapping[str, Any] = read_about(path).get("task") or {}
    return task


def run_of(path: str | Path) -> str | None:
    """The id of the training that made a file; None if it does not say."""
    run = read_about(path).get("run")
    return None if run is None else str(run)


def _parsed(said: About) -> dict[str, Any]:
    for name, kind in (("task", Mapping), ("seen", list), ("kinds", Mapping), ("splits", Mapping)):
        if not isinstance(said.get(name, kind()) if kind is list else said.get(name) or {}, kind):
            raise TypeError(f"{name} is no {kind.__name__}")
    check_seals(said.get("seen", ()))
    return dict(said)
