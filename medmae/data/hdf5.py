"""HDF5 files of any origin: a child reads them first, for the library can hang, or crash, on a damaged one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py

from medmae.child import run_in_child
from medmae.errors import DataError
from medmae.reading import check_budget, reading

LIMIT_S = 15.0  # for what is on a local disk within a second
_SLOW = 20e6  # bytes a second of a slow one
_REMEDY = "delete the file, and write it again"


@contextmanager
def open_hdf5(path: str | Path, *, reads: Sequence[str] = (), remedy: str = _REMEDY) -> Iterator[h5py.File]:
    """A file that a child process could read to its end: open, and within the memory that is allowed.

    Args:
        path: The file.
        reads: Data sets that are read whole, where they are there.
        remedy: What the user can do about a file that is refused.

    Raises:
        DataError: If it is missing, no HDF5, damaged, larger than the budget, or not read in time; also for whatever
            the library raises while it is open.
    """
    path = Path(path)
    with reading(path, remedy=remedy):
        size = path.stat().st_size
    try:
        task = {"path": str(path.absolute()), "reads": list(reads)}
        run_in_child("medmae.data.hdf5:probe", task, path=path, limit_s=LIMIT_S + round(size / _SLOW))
    except DataError as error:
        raise DataError(error.reason, path=path, field=error.field, value=error.value, remedy=remedy) from error
    with reading(path, what="the HDF5 file", remedy=remedy), h5py.File(path, "r") as file:
        yield file


def probe(task: dict[str, Any]) -> dict[str, Any]:
    """What the child does: reads attributes, and the data sets that are wanted.

    Raises:
        DataError: If that cannot be done, or takes more than the budget.
    """
    path = Path(task["path"])
    with reading(path, what="the HDF5 file"), h5py.File(path, "r") as file:
        dict(file.attrs)
        for name in file:
            item = file[name]
            dict(item.attrs)
            if name in task["reads"] and isinstance(item, h5py.Dataset):
                check_budget(item.size * (item.dtype.itemsize + 4), path=path, field=name, value=item.shape)
                item[()]
    return {}
