"""Videos of one thing that moves, with captions and with questions of which some need the order of frames."""

from __future__ import annotations

from pathlib import Path

from data_prep.tiny.captioned import make_some


def make(folder: Path) -> tuple[Path, Path]:
    """The prepared data set and the raw files; see :func:`data_prep.tiny.make`."""
    return make_some(folder, patients=12, each=2, asked=True)
