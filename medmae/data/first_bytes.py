"""What a file is by its first bytes, for rooms whose files people name as they like: what it certainly is not."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from medmae.errors import DataError

AGAIN = "copy or download it again"
Mark = tuple[bytes, str, str]  # first bytes, what that is, what to do
_NO_DATA: tuple[Mark, ...] = (
    (b"\x00\x05\x16\x07", "it is a shadow that macOS leaves beside a file, not the file", "delete files called ._*"),
    (b"version https://git-lfs", "it is a pointer of Git LFS, not the file", "run: git lfs pull"),
    (b"%PDF", "it is a PDF", "leave it out"),
)
_PAGES = (b"<!doctype", b"<html", b"<?xml", b"<head", b"<script", b"<!--")


def head_of(path: Path) -> bytes:
    """The first 256 bytes of a file.

    Raises:
        DataError: If there is no such file, it cannot be read, or is empty.
    """
    if not path.is_file():
        raise DataError("there is no such file", path=path, remedy="check the path")
    try:
        with path.open("rb") as file:
            head = file.read(256)
    except OSError as error:
        raise DataError(f"it cannot be read ({error.strerror})", path=path, remedy="check its permissions") from error
    if not head:
        raise DataError("the file is empty", path=path, field="bytes", value=0, remedy=AGAIN)
    return head


def refuse_other(head: bytes, path: Path, *, what: str, others: Sequence[Mark] = ()) -> None:
    """Refuses a web page, a pointer, zeros, and whatever else begins like none of the files of a room.

    Args:
        head: First bytes of the file.
        path: The file.
        what: It should be, such as ``video``.
        others: More that it is not.

    Raises:
        DataError: With what it is instead.
    """
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if start.startswith(_PAGES):
        raise DataError(
            f"it is a web page, not a {what}", path=path, field="first bytes", value=_shown(head), remedy=AGAIN
        )
    for mark, found, remedy in (*_NO_DATA, *others):
        if head.startswith(mark):
            raise DataError(found, path=path, field="first bytes", value=_shown(head), remedy=remedy)
    if not head.strip(b"\0"):
        raise DataError("it begins with nothing but zeros", path=path, field="first bytes", value="00 00", remedy=AGAIN)


def _shown(head: bytes) -> str:
    return head[:16].decode("ascii", "replace")
