"""The files below a folder, links followed: on clusters and in DataLad a patient's folder is mostly a link."""

from __future__ import annotations

import os
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

    Raises:
        DataError: If a link leads back to a folder above it.
    """
    for folder, below, names in os.walk(root, followlinks=True):
        below[:] = sorted(name for name in below if not name.startswith("."))
        for name in below:
            _refuse_loop(Path(folder, name), root)
        yield Path(folder), [Path(folder, name) for name in sorted(names) if not name.startswith(".")]


def files_below(root: Path) -> list[Path]:
    """All files below a folder, sorted; see :func:`folders_below`."""
    return sorted(path for _, files in folders_below(root) for path in files)


def hidden_below(root: Path) -> list[Path]:
    """What begins with a dot below a folder, and is passed over: files, and folders as wholes, sorted."""
    return sorted(path for folder, _ in folders_below(root) for path in folder.iterdir() if path.name.startswith("."))


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
