"""Videos below a folder: files and folders of frames, told from thumbnails, masks and whatever else lies there."""

from __future__ import annotations

from pathlib import Path

from medmae.data.manifest import NAME
from medmae.data.video.frame_folder import FRAMES, frames_in, is_mask, natural
from medmae.data.video.opening import ARRAYS, CONTAINERS, DICOM, PICTURES
from medmae.data.volumes.dicom import is_dicom

TABLES = (".csv", ".tsv", ".txt", ".json")
_ALWAYS = (*CONTAINERS, ".gif", ".apng", *DICOM, *ARRAYS)
_JUNK = {"__macosx", "$recycle.bin", "@eadir"}


def videos_below(source: Path, *, out: Path | None = None) -> tuple[list[Path], list[Path]]:
    """Videos and folders of frames, and files that are neither.

    Shards that a preparation wrote below the source are none of them: they would be copies of its own videos.

    Args:
        source: A folder, or a single video.
        out: Where the frames will be written.
    """
    if source.is_file():
        return [source], []
    below = (path for path in source.rglob("*") if path.is_dir() and not _hidden(path, source))
    folders = [source, *(path for path in below if not _written(path, out))]
    videos, ignored = [], []
    for folder in natural(folders):
        pictures = frames_in(folder)
        pages = [path for path in pictures if path.suffix.lower() in PICTURES and _several(path)]
        frames = [path for path in pictures if path not in pages and not is_mask(path)]
        files = [path for path in sorted(folder.iterdir()) if path.is_file() and not path.name.startswith(".")]
        own = [path for path in files if _is_video(path)]
        # Pictures beside videos are thumbnails, and a folder of masks shows nothing that moves.
        is_clip = len(frames) > 1 and not own and not (folder != source and is_mask(folder))
        videos += pages + own + ([folder] if is_clip else [])
        ignored += [path for path in files if path not in pages + own and not (is_clip and path in pictures)]
    return videos, ignored


def _is_video(path: Path) -> bool:
    suffix = path.suffix.lower()
    return suffix in _ALWAYS or (suffix not in (*FRAMES, *TABLES) and is_dicom(path))


def _hidden(path: Path, source: Path) -> bool:
    return any(part.startswith(".") or part.lower() in _JUNK for part in path.relative_to(source).parts)


def _written(path: Path, out: Path | None) -> bool:
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
        with Image.open(path) as image:
            return getattr(image, "n_frames", 1) > 1
    except (OSError, ValueError, EOFError, SyntaxError):
        return False
