"""The files below a folder, links followed: on clusters and in DataLad a patient's folder is mostly a link."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from medmae.errors import DataError


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
