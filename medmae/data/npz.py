"""NumPy's archives: the sizes that their headers promise are added up before anything is unpacked."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from medmae.reading import check_budget, reading


def read_arrays(path: Path, *, wanted: Callable[[list[str]], Iterable[str]] | None = None) -> dict[str, np.ndarray]:
    """The arrays of an ``.npz`` by name; objects are never unpickled.

    Args:
        path: The file.
        wanted: Chooses among the names; None reads all.

    Raises:
        DataError: If it is no such archive, damaged, with objects in it, or larger than the budget.
    """
    with reading(path, what="the npz file", remedy="copy it again"):
        with zipfile.ZipFile(path) as archive:
            names = [name.removesuffix(".npy") for name in archive.namelist()]
            chosen = list(names if wanted is None else wanted(names))
            sizes = {
                name: _size(archive, f"{name}.npy" if f"{name}.npy" in archive.namelist() else name) for name in chosen
            }
        check_budget(sum(sizes.values()), path=path, field="bytes", value=sizes, remedy="split the file")
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in chosen}


def _size(archive: zipfile.ZipFile, member: str) -> int:
    """Bytes of an array by its own header, or of its member, whichever is more."""
    unpacked = archive.getinfo(member).file_size
    with archive.open(member) as file:
        version = np.lib.format.read_magic(file)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = read(file)
    size = dtype.itemsize
    for n in shape:
        size *= n
    return max(unpacked, size)
