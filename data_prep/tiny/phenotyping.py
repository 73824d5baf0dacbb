"""Labelled tiles to learn from, and slides to be mapped."""

from __future__ import annotations

from pathlib import Path

from data_prep.tiny import tiles, wsi


def make(folder: Path) -> tuple[Path, Path]:
    """The prepared tiles and, in the place of raw files, the prepared slides; see :func:`data_prep.tiny.make`."""
    return tiles.make(folder / "tiles")[0], wsi.make(folder / "slides")[0]
