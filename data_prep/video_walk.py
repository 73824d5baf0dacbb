"""Videos below a folder: files and folders of frames, told from thumbnails, masks and whatever else lies there."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from medmae.data.left_out import OTHER_FILE, LeftOut, passed_over_in
from medmae.data.manifest import NAME
from medmae.data.tree import folders_below
from medmae.data.video.frame_folder import FRAMES, frames_in, is_mask, natural
from medmae.data.video.opening import ARRAYS, CONTAINERS, DICOM, PICTURES
from medmae.data.volumes.dicom import is_dicom
from medmae.errors import DataError
from medmae.reading import reading

TABLES = (".csv", ".tsv", ".txt", ".json", ".jsonl", ".ndjson")
_ALWAYS = (*CONTAINERS, ".gif", ".apng", *DICOM, *ARRAYS)
_JUNK = {"__macosx", "$recycle.bin", "@eadir"}


def videos_below(source: Path, *, out: Path | None = None) -> tuple[list[Path], list[LeftOut]]:
    """Videos and folders of frames, and files that are neither, with the reason; links are followed.

    Shards that a preparation wrote below the source are none of them: they would be copies of its own videos.

    Args:
        source: A folder, or a single video.
        out: Where the frames will be written.
    """
    if source.is_file():
        return [source], []
    videos: list[Path] = []
    left = passed_over_in(source)
    below = dict(looked_into(source, out))
    for folder in [source, *natural(path for path in below if path != source)]:
        pictures = frames_in(folder)
        pages = [path for path in pictures if path.suffix.lower() in PICTURES and _several(path)]
        frames = [path for path in pictures if path not in pages and not is_mask(path)]
        files = below[folder]
        own = [path for path in files if _is_video(path) and not _of_masks(path, source)]
        # Pictures beside videos are thumbnails, and a folder of masks shows nothing that moves.
        is_clip = len(frames) > 1 and not own and not (folder != source and is_mask(folder))
        videos += pages + own + ([folder] if is_clip else [])
        taken = {*pages, *own, *(pictures if is_clip else ())}
        left += [_left_out(path, own=own) for path in files if path not in taken]
    return videos, left


def _left_out(path: Path, *, own: Sequence[Path]) -> LeftOut:
    if path.suffix.lower() not in FRAMES and not _is_video(path):
        return LeftOut(path, OTHER_FILE)
    if is_mask(path) or is_mask(path.parent):
        return LeftOut(path, "a mask")
    return LeftOut(path, "a picture beside videos" if own else "a single picture, and no video")


def _is_video(path: Path) -> bool:
    suffix = path.suffix.lower()
    return suffix in _ALWAYS or (suffix not in (*FRAMES, *TABLES) and is_dicom(path))


def _of_masks(path: Path, source: Path) -> bool:
    """Whether a video shows masks, by its name or by the whole name of its folder: ``no_mask`` may be a class."""
    return is_mask(path) or (path.parent != source and is_mask(path.parent) and path.parent.name.isalpha())


def files_below(
    source: Path, *, out: Path | None, why_not: Callable[[Path], str | None]
) -> tuple[list[Path], list[LeftOut]]:
    """Files that are one recording, or one shape, each, and all others with the reason; links are followed.

    Args:
        source: A folder, or a single file.
        out: Where the preparation writes, and finds nothing.
        why_not: The reason for which a file is left out; None takes it.
    """
    if source.is_file():
        return [source], []
    told = [(path, why_not(path)) for _, files in sorted(looked_into(source, out)) for path in files]
    left = [LeftOut(path, why) for path, why in told if why is not None]
    return [path for path, why in told if why is None], [*passed_over_in(source), *left]


def looked_into(source: Path, out: Path | None) -> Iterator[tuple[Path, list[Path]]]:
    """Folders and their files, without hidden ones and the shards of preparations."""
    for folder, files in folders_below(source):
        if not is_hidden(folder, source) and (folder == source or not is_written(folder, out)):
            yield folder, files


def is_hidden(path: Path, source: Path) -> bool:
    """Whether a folder, or one above it below the source, is hidden, or one that systems make."""
    return any(part.startswith(".") or part.lower() in _JUNK for part in path.relative_to(source).parts)


def is_written(path: Path, out: Path | None) -> bool:
    """Whether a folder, or what it lies in, holds the shards of this preparation or of another one."""
    return any(
        folder.name == "shards"
        and ((folder.parent / NAME).is_file() or (out is not None and folder.parent.resolve() == out.resolve()))
        for folder in (path, *path.parents)
    )


def _several(path: Path) -> bool:
    """Whether a picture file holds several of them."""
    from PIL import Image

    try:
        with reading(path), Image.open(path) as image:
            return getattr(image, "n_frames", 1) > 1
    except DataError:  # whoever reads it will say so
        return False
