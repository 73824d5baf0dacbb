"""Sounds below a folder: by their suffixes, video files among them, whose sound tracks are read."""

from __future__ import annotations

from pathlib import Path

from data_prep.video_walk import files_below
from medmae.data.audio.read import SUFFIXES
from medmae.data.left_out import OTHER_FILE, LeftOut
from medmae.data.video.opening import CONTAINERS

_SOUNDS = {*SUFFIXES, *CONTAINERS}


def sounds_below(source: Path, *, out: Path | None = None) -> tuple[list[Path], list[LeftOut]]:
    """Sounds, and files that are none, with the reason; links are followed, hidden files and own shards passed over.

    Args:
        source: A folder, or a single sound.
        out: Where samples will be written.
    """
    return files_below(source, out=out, why_not=lambda path: None if path.suffix.lower() in _SOUNDS else OTHER_FILE)
