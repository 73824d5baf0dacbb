"""IDX files, the format of MNIST, as arrays."""

from __future__ import annotations

import gzip
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np

from medmae.errors import DataError
from medmae.reading import check_budget, reading

_TYPES: Mapping[int, np.dtype[Any]] = {
    0x08: np.dtype(">u1"),
    0x0B: np.dtype(">i2"),
    0x0C: np.dtype(">i4"),
    0x0D: np.dtype(">f4"),
}
_MOST_GZIP = 1100  # bytes out of one


def read_idx_array(path: Path) -> np.ndarray:
    """The array of one IDX file: two zero bytes, the type, the number of axes, sizes, and values.

    Args:
        path: The file, plain or ``.gz``, of images or labels.

    Raises:
        DataError: It is damaged, shorter than it says, or of other things.
    """
    zipped = path.suffix == ".gz"
    with reading(path, what="the IDX file", remedy="copy it again"), _opened(path, zipped=zipped) as file:
        head = file.read(4)
        if len(head) < 4 or head[:2] != b"\0\0" or head[2] not in _TYPES or head[3] not in (1, 2, 3, 4):
            raise _bad(path, "this is no IDX file of images or labels")
        shape = np.frombuffer(file.read(4 * head[3]), dtype=">u4").astype(int)
        dtype = _TYPES[head[2]]
        size = math.prod(shape.tolist()) * dtype.itemsize
        most = path.stat().st_size * (_MOST_GZIP if zipped else 1)
        check_budget(2 * min(size, most), path=path, field="sizes", value=shape.tolist(), remedy="split the file")
        data = file.read(min(size, most))  # what a file cannot hold is never allocated
    if len(shape) != head[3] or len(data) != size:
        raise _bad(path, f"the IDX file ends early: {len(data)} of {size} bytes")
    return np.frombuffer(data, dtype=dtype).reshape(shape).astype(dtype.newbyteorder("="))


def _opened(path: Path, *, zipped: bool) -> BinaryIO:
    return cast(BinaryIO, gzip.open(path)) if zipped else path.open("rb")


def _bad(path: Path, reason: str) -> DataError:
    return DataError(reason, path=path, field="IDX", remedy="copy it again")
