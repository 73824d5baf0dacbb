"""Which reader a video needs, by its first bytes: names lie (a web page called .mp4, a GIF called .avi)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from medmae.data.first_bytes import head_of, refuse_other
from medmae.data.video.container import ContainerVideo
from medmae.data.video.video import Video

CONTAINERS = (
    *(".mp4", ".m4v", ".mov", ".3gp", ".3g2", ".webm", ".mkv", ".avi", ".wmv", ".asf", ".flv", ".ogv", ".mxf", ".dv"),
    *(".mpg", ".mpeg", ".mpe", ".m1v", ".m2v", ".vob", ".ts", ".mts", ".m2ts", ".h264", ".264", ".hevc", ".265"),
    *(".mjpg", ".mjpeg", ".ivf", ".y4m"),
)
PICTURES = (".gif", ".webp", ".apng", ".tif", ".tiff")  # of several frames
DICOM = (".dcm", ".dicom")
ARRAYS = (".npy", ".npz")
SUFFIXES = (*CONTAINERS, *PICTURES, *DICOM, *ARRAYS)
_JPEG = b"\xff\xd8\xff"
_PICTURES = (
    (_JPEG, "it is a single JPEG picture", "give a folder with all frames"),
    (b"BM", "it is a single BMP picture", "give a folder with all frames"),
)


def open_video(path: str | Path, *, short_side: int | None = None) -> Video:
    """A video of any kind, to be read from its first frame to its last.

    Args:
        path: A file, or a folder of frames.
        short_side: Frames whose shorter side is larger are reduced to it; None leaves them.

    Raises:
        DataError: If there is none, or its first bytes are those of something else.
    """
    path = Path(path)
    if path.is_dir():
        from medmae.data.video.frame_folder import FolderVideo

        return FolderVideo(path, short_side=short_side)
    return _reader(path)(path, short_side=short_side)


def _reader(path: Path) -> Callable[..., Video]:
    head = head_of(path)
    if head[128:132] == b"DICM" or path.suffix.lower() in DICOM:  # first: its preamble may be that of a TIFF
        from medmae.data.video.cine_dicom import DicomVideo

        return DicomVideo
    motion = path.suffix.lower() in (".mjpg", ".mjpeg")
    refuse_other(head, path, what="video", others=_PICTURES[1:] if motion else _PICTURES)
    if head[:6] in (b"GIF87a", b"GIF89a") or head[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return _pictures()
    if head.startswith(b"\x89PNG") or (head[:4] == b"RIFF" and head[8:12] == b"WEBP"):
        return _pictures()
    if head[:6] == b"\x93NUMPY" or (head[:2] == b"PK" and path.suffix.lower() == ".npz"):
        from medmae.data.video.frame_arrays import ArrayVideo

        return ArrayVideo
    return ContainerVideo


def _pictures() -> Callable[..., Video]:
    from medmae.data.video.animated import PictureVideo

    return PictureVideo
