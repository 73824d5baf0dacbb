"""Texts that people bring, decoded without a guess that is not told: tables, lists, reports."""

from __future__ import annotations

import codecs
from pathlib import Path

from medmae.errors import DataError

_MARKED = (  # of UTF-32 first: its mark begins as that of UTF-16
    (codecs.BOM_UTF32_LE, "utf-32", "UTF-32"),
    (codecs.BOM_UTF32_BE, "utf-32", "UTF-32"),
    (codecs.BOM_UTF16_LE, "utf-16", "UTF-16"),
    (codecs.BOM_UTF16_BE, "utf-16", "UTF-16"),
)
LOST = "\ufffd"  # what programs write in place of a letter that they could not read


def read_text(path: Path, *, what: str = "the table") -> tuple[str, tuple[str, ...]]:
    """The text of a file, and what a user should be told of it.

    UTF-8, with or without a mark; UTF-16 and UTF-32 by their mark; else Windows-1252, in which Latin-1 is contained.

    Args:
        path: The file.
        what: It is called in messages.

    Raises:
        DataError: If it cannot be read, or is in none of these encodings.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"{what} cannot be read ({error.strerror})", path=path, remedy="check the path") from error
    for mark, encoding, name in _MARKED:
        if data.startswith(mark):
            return _decoded(data, encoding, path, what), (f"{what} was read as {name}",)
    if b"\0" in data:
        raise DataError(
            f"{what} holds zero bytes: UTF-16 without its mark, or no text",
            path=path,
            field="encoding",
            remedy="save it as UTF-8",
        )
    try:
        return data.decode("utf-8-sig"), ()
    except UnicodeDecodeError:
        told = f"{what} is not UTF-8 and was read as Windows-1252: look at its letters"
        return _decoded(data, "cp1252", path, what), (told,)


def _decoded(data: bytes, encoding: str, path: Path, what: str) -> str:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        raise DataError(
            f"{what} is not text ({error})", path=path, field="encoding", value=encoding, remedy="save it as UTF-8"
        ) from error


def garbled(text: str) -> bool:
    r"""Whether letters are lost, or were decoded as another encoding than their own.

    >>> [garbled(text) for text in ("gr\u00c3\u00bcn", "gr\ufffdn", "gr\u00fcn \u2013 \u00e9")]
    [True, True, False]
    """
    if LOST in text:
        return True
    try:
        return text.encode("cp1252").decode() != text
    except UnicodeError:
        return False
