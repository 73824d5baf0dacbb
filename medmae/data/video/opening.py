"""Which reader a video needs, by its first bytes: names lie (a web page called .mp4, a GIF called .avi)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from medmae.data.video.container import ContainerVideo
from medmae.data.video.video import Video
from medmae.errors import DataError

CONTAINERS = (
    *(".mp4", ".m4v", ".mov", ".3gp", ".3g2", ".webm", ".mkv", ".avi", ".wmv", ".asf", ".flv", ".ogv", ".mxf", ".dv"),
    *(".mpg", ".mpeg", ".mpe", ".m1v", ".m2v", ".vob", ".ts", ".mts", ".m2ts", ".h264", ".264", ".hevc", ".265"),
    *(".mjpg", ".mjpeg", ".ivf", ".y4m"),
)
PICTURES = (".gif", ".webp", ".apng", ".tif", ".tiff")  # of several frames
DICOM = (".dcm", ".dicom")
ARRAYS = (".npy", ".npz")
SUFFIXES = (*CONTAINERS, *PICTURES, *DICOM, *ARRAYS)
_COPY = "copy or download it again"
_JPEG = b"\xff\xd8\xff"
_NO_VIDEO = (  # first bytes, what that is, what to do
    (b"\x00\x05\x16\x07", "it is a shadow that macOS leaves beside a file, not the file", "delete files called ._*"),
    (b"version https://git-lfs", "it is a pointer of Git LFS, not the file", "run: git lfs pull"),
    (_JPEG, "it is a single JPEG picture", "give a folder with all frames"),
    (b"BM", "it is a single BMP picture", "give a folder with all frames"),
    (b"%PDF", "it is a PDF", "leave it out"),
)
_PAGES = (b"<!doctype", b"<html", b"<?xml", b"<head", b"<script", b"<!--")


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
    if not path.is_file():
        raise DataError("there is no such file", path=path, remedy="check the path")
    return _reader(path)(path, short_side=short_side)


def _reader(path: Path) -> Callable[..., Video]:
    try:
        with path.open("rb") as file:
            head = file.read(256)
    except OSError as error:
        raise DataError(f"it cannot be read ({error.strerror})", path=path, remedy="check its permissions") from error
    if not head:
        raise DataError("the file is empty", path=path, field="bytes", value=0, remedy=_COPY)
    if head[128:132] == b"DICM" or path.suffix.lower() in DICOM:  # first: its preamble may be that of a TIFF
        from medmae.data.video.cine_dicom import DicomVideo

        return DicomVideo
    _refuse_other(head, path)
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


def _refuse_other(head: bytes, path: Path) -> None:
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if start.startswith(_PAGES):
        raise DataError(
            "it is a web page, not a video", path=path, field="first bytes", value=_shown(head), remedy=_COPY
        )
    for mark, what, remedy in _NO_VIDEO:
        if head.startswith(mark) and not (mark == _JPEG and path.suffix.lower() in (".mjpg", ".mjpeg")):
            raise DataError(what, path=path, field="first bytes", value=_shown(head), remedy=remedy)
    if not head.strip(b"\0"):
        raise DataError("it begins with nothing but zeros", path=path, field="first bytes", value="00 00", remedy=_COPY)


def _shown(head: bytes) -> str:
    return head[:16].decode("ascii", "replace")
