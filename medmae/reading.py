"""The shell around every reader: sizes are checked before memory is taken, and a library's error names the file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from medmae.errors import DataError, MachineError, naming_machine_faults

LIMIT_GB = 4.0  # 10^9 bytes of one file, as decoded and converted together
_DEFLATE_RATIO = 1032  # bytes that one byte of gzip can hold at most
COPY = "copy it again, or leave it out"


@contextmanager
def reading(path: str | Path, *, what: str = "the file", remedy: str = COPY) -> Iterator[None]:
    """Raises whatever a library raises about a file as :class:`~medmae.errors.DataError`, with its path.

    Only calls into a library belong inside: an error of our own would be taken for one of the file.

    Args:
        path: The file.
        what: Its name in the message, such as ``the image``.
        remedy: What the user can do about it.

    Raises:
        DataError: For every exception.
        MachineError: If the machine is short of something: files that may be open, memory, disk.
    """
    try:
        with naming_machine_faults():
            yield
    except (DataError, MachineError, ModuleNotFoundError):
        raise
    except MemoryError as error:  # the file's size was compared with the budget before
        raise MachineError(
            f"the machine is out of memory while it reads {path}: take fewer workers, or a smaller --limit-gb"
        ) from error
    except OSError as error:
        said = "there is no such file" if isinstance(error, FileNotFoundError) else words_of(error)
        raise DataError(f"{what} cannot be read ({said})", path=path, remedy=remedy) from error
    except Exception as error:  # the boundary to libraries: a damaged file makes them raise anything
        raise DataError(
            f"{what} cannot be read ({type(error).__name__}: {words_of(error)})", path=path, remedy=remedy
        ) from error


def read_text(path: str | Path, *, what: str = "the file", remedy: str = COPY) -> str:
    """A text in UTF-8, whatever the locale; its parameters are those of :func:`reading`.

    Raises:
        DataError: If there is no such file, it may not be read, or is not in UTF-8.
    """
    with reading(path, what=what, remedy=remedy):
        return Path(path).read_text(encoding="utf-8")


def words_of(error: BaseException) -> str:
    """The line of an error that says most, at most 200 characters: the first, or, of SimpleITK, the last."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    return lines[-1 if "SimpleITK" in lines[0] else 0][:200]


def check_budget(
    size: int,
    *,
    path: str | Path,
    field: str,
    value: object,
    limit_gb: float = LIMIT_GB,
    remedy: str = "raise --limit-gb if it is really so large",
) -> None:
    """Refuses a file that would take more memory than the limit, before any is taken.

    Args:
        size: Bytes that reading takes: as decoded, and as converted.
        path: The file.
        field: What promises this size.
        value: What stands there.
        limit_gb: Most, in 10^9 bytes.
        remedy: What the user can do about it.

    Raises:
        DataError: With both sizes.
    """
    if size > limit_gb * 1e9:
        raise DataError(
            f"the header promises {_shown(size)} as it would be read, the limit is {_shown(limit_gb * 1e9)}",
            path=path,
            field=field,
            value=value,
            remedy=remedy,
        )


def check_length(promised: int, *, path: str | Path, size: int, zipped: bool = False) -> None:
    """Refuses a file that cannot hold what its header promises, before memory is taken for that.

    Args:
        promised: Bytes, uncompressed.
        path: The file.
        size: Bytes that there are.
        zipped: Whether these are compressed by gzip.

    Raises:
        DataError: With both sizes.
    """
    if promised > size * (_DEFLATE_RATIO if zipped else 1):
        raise DataError(
            f"the file is shorter than its header promises ({promised} bytes)",
            path=path,
            field="size",
            value=size,
            remedy="copy the file again",
        )


def _shown(size: float) -> str:
    return f"{size / 1e9:,.1f} GB" if size >= 1e8 else f"{size:,.0f} bytes"
