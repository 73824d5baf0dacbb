"""The files below a folder, links followed: on clusters and in DataLad a patient's folder is mostly a link."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path

from medmae.errors import DataError


def require_there(source: str | Path) -> None:
    """Refuses a path where nothing is.

    Raises:
        DataError: With the path.
    """
    if not Path(source).exists():
        raise DataError("there is no such file or folder", path=source, remedy="check the path")


def require_files(source: str | Path) -> None:
    """Refuses a path where nothing is, and a folder below which no file lies.

    Raises:
        DataError: With the path.
    """
    require_there(source)
    if Path(source).is_dir() and not any(files for _, files in folders_below(Path(source))):
        raise DataError("no file is in this folder, or below it", path=source, remedy="check the path")


def folders_below(root: Path) -> Iterator[tuple[Path, list[Path]]]:
    """Each folder from ``root`` on, and the files that lie directly in it, sorted; what begins with a dot is left out.

    So are pipes, sockets and devices, on which a reader would wait for ever, links to folders that are not there, and
    folders that cannot be opened: :func:`unread_below` has them.

    Raises:
        DataError: If a link leads back to a folder above it, or ``root`` cannot be opened.
    """
    for folder, files, _ in _walk(root, []):
        yield folder, files


def files_below(root: Path) -> list[Path]:
    """All files below a folder, sorted; see :func:`folders_below`."""
    return sorted(path for _, files in folders_below(root) for path in files)


def entries_of(folder: Path) -> list[Path]:
    """What :func:`folders_below` sees of one folder, files and folders, sorted; nothing if it cannot be opened."""
    try:
        paths = sorted(folder.iterdir())
    except OSError:
        return []
    return [path for path in paths if not path.name.startswith(".") and not _is_special(path)]


def hidden_below(root: Path) -> list[Path]:
    """What begins with a dot below a folder, and is passed over: files, and folders as wholes, sorted."""
    return sorted(path for folder, _ in folders_below(root) for path in folder.iterdir() if path.name.startswith("."))


def unread_below(root: Path) -> tuple[list[Path], list[OSError]]:
    """Pipes, sockets, devices and links to nothing below a folder, sorted; and why folders cannot be opened."""
    errors: list[OSError] = []
    special = [path for _, _, some in _walk(root, errors) for path in some]
    return sorted(special), errors


def _walk(root: Path, errors: list[OSError]) -> Iterator[tuple[Path, list[Path], list[Path]]]:
    """Each folder, its files, and what is no file; errors of folders that cannot be opened are added to a list."""

    def unopened(error: OSError) -> None:
        if Path(error.filename) == root:
            why = f"the folder cannot be opened ({error.strerror})"
            raise DataError(why, path=root, remedy="check its permissions") from error
        errors.append(error)

    for folder, below, names in os.walk(root, followlinks=True, onerror=unopened):
        below[:] = sorted(name for name in below if not name.startswith("."))
        for name in below:
            _refuse_loop(Path(folder, name), root)
        paths = [Path(folder, name) for name in sorted(names) if not name.startswith(".")]
        special = [path for path in paths if _is_special(path)]
        yield Path(folder), [path for path in paths if path not in special], special


def _is_special(path: Path) -> bool:
    """Whether it is a pipe, a socket or a device, or a link to nothing that may have been a folder.

    Of a link to nothing with a file's suffix the reader tells.
    """
    try:
        mode = path.stat().st_mode
    except OSError:
        return not re.fullmatch(r"\.[A-Za-z]\w*", path.suffix)
    return not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)


def _refuse_loop(folder: Path, root: Path) -> None:
    """Refuses a link to a folder in which it lies itself, be it by way of other links."""
    if not folder.is_symlink():
        return
    target = folder.resolve()
    above = [parent for parent in folder.parents if parent == root or parent.is_relative_to(root)]
    if any(parent.resolve().is_relative_to(target) for parent in above):
        raise DataError(
            "a link leads back to a folder above it", path=folder, value=str(target), remedy="remove the link"
        )
