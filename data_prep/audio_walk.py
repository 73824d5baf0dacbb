"""Sounds below a folder: by their suffixes, video files among them, whose sound tracks are read."""

from __future__ import annotations

from pathlib import Path

from data_prep.video_walk import is_hidden, is_written
from medmae.data.audio.read import SUFFIXES
from medmae.data.left_out import OTHER_FILE, LeftOut, passed_over_in
from medmae.data.tree import folders_below
from medmae.data.video.opening import CONTAINERS

_SOUNDS = {*SUFFIXES, *CONTAINERS}


def sounds_below(source: Path, *, out: Path | None = None) -> tuple[list[Path], list[LeftOut]]:
    """Sounds, and files that are none, with the reason; links are followed, hidden files and own shards passed over.

    Args:
        source: A folder, or a single sound.
        out: Where samples will be written.
    """
    if source.is_file():
        return [source], []
    sounds: list[Path] = []
    left = passed_over_in(source)
    for folder, files in sorted(folders_below(source)):
        if is_hidden(folder, source) or (folder != source and is_written(folder, out)):
            continue
        own = [path for path in files if path.suffix.lower() in _SOUNDS]
        sounds += own
        left += [LeftOut(path, OTHER_FILE) for path in files if path not in own]
    return sounds, left
