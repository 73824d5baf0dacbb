"""Writing so that a kill or a full disk never leaves half a file, and hashing what was written."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import tempfile
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np

from medmae.errors import DataError

_LONGEST = 255  # bytes of a file name
_NOT_SUPPORTED = frozenset({errno.EINVAL, errno.ENOTSUP, errno.ENOSYS, errno.EPERM, errno.EACCES, errno.EISDIR})
_TOLD: set[str] = set()  # what was warned of in this process


@contextmanager
def atomic_write(path: str | Path) -> Iterator[IO[bytes]]:
    """A binary file that appears under ``path`` only when the block ends well: temp file, fsync, rename.

    Parent folders are made. On an exception the temp file is removed and an older ``path`` stays as it was.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temp = tempfile.mkstemp(dir=path.parent, prefix=_short(f".{path.name}."), suffix=".part")
    try:
        with os.fdopen(handle, "w+b") as file:  # HDF5 also reads what it writes
            yield file
            file.flush()
            os.fsync(file.fileno())
        with _if_supported("permissions of files"):  # mkstemp makes private files; a result is as public as any other
            Path(temp).chmod(0o666 & ~_umask())
        Path(temp).replace(path)
    except BaseException:
        Path(temp).unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


@contextmanager
def all_or_none(paths: Iterable[str | Path]) -> Iterator[None]:
    """Files that belong together: if the block that writes them fails, none of them stays."""
    try:
        yield
    except BaseException:
        for path in paths:
            Path(path).unlink(missing_ok=True)
        raise


def write_text(path: str | Path, text: str) -> None:
    """Writes UTF-8 text atomically."""
    with atomic_write(path) as file:
        file.write(text.encode())


def from_json(text: str | bytes) -> Any:  # noqa: ANN401
    """What a JSON text holds.

    Raises:
        ValueError: If it is no JSON, or nested deeper than can be read.
    """
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("it is nested too deep") from error


def read_object(path: str | Path, *, remedy: str, fields: Iterable[str] = ()) -> dict[str, Any]:
    """Reads a JSON object that another run wrote.

    Args:
        path: The file.
        remedy: What the user can do if it is not as it should be.
        fields: What it must have.

    Raises:
        DataError: If it is no JSON, no object, or lacks a field.
    """
    try:
        content = from_json(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"this file cannot be read ({error.strerror})", path=path, remedy=remedy) from error
    except ValueError as error:  # also of text that is not UTF-8
        raise DataError(f"this file is not JSON ({error})", path=path, remedy=remedy) from error
    if not isinstance(content, dict):
        raise DataError("this file does not hold a JSON object", path=path, value=type(content).__name__, remedy=remedy)
    if missing := [name for name in fields if name not in content]:
        found = ", ".join(content) or "nothing"
        raise DataError(f"this file lacks {', '.join(missing)}; it has {found}", path=path, remedy=remedy)
    return content


def sha256_of(path: str | Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def content_sha256(array: np.ndarray) -> str:
    """SHA-256 of what an array holds, whatever it is stored as: of its shape and of its values as float32."""
    digest = hashlib.sha256(repr(array.shape).encode())
    digest.update(np.ascontiguousarray(array, dtype=np.float32).data)
    return digest.hexdigest()


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current


def _sync_folder(folder: Path) -> None:
    with _if_supported("fsync of folders"):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


@contextmanager
def _if_supported(what: str) -> Iterator[None]:
    """Warns once where a file system, such as a network share or FUSE, does not have it; the file itself is whole."""
    try:
        yield
    except OSError as error:
        if error.errno not in _NOT_SUPPORTED:
            raise
        if what not in _TOLD:
            _TOLD.add(what)
            warnings.warn(
                f"this file system has no {what} ({error.strerror}): results are written all the same, but may not "
                "outlive a power failure",
                stacklevel=5,
            )


def _short(prefix: str) -> str:
    """So that with mkstemp's eight letters and ``.part`` the name stays within 255 bytes."""
    return prefix.encode()[: _LONGEST - len("12345678.part")].decode(errors="ignore")
