"""A shard whose length shows at the end: written tile by tile, so that memory holds one of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np

from medmae.files import atomic_write


class GrowingShard:
    """An ``.npy`` array of uint8 that grows along its first axis.

    Args:
        file: Where to write.
        shape: Of one entry.
    """

    def __init__(self, file: IO[bytes], shape: tuple[int, ...]) -> None:
        self._file, self._shape, self._length = file, shape, 0
        self._head()
        self._start = file.tell()

    def __len__(self) -> int:
        return self._length

    def append(self, entry: np.ndarray) -> None:
        """Writes one entry."""
        if entry.shape != self._shape or entry.dtype != np.uint8:
            raise ValueError(f"expected uint8 {self._shape}, got {entry.dtype} {entry.shape}")
        self._file.write(np.ascontiguousarray(entry).data)
        self._length += 1

    def finish(self) -> None:
        """Puts the length into the header."""
        self._file.seek(0)
        self._head()
        assert self._file.tell() == self._start, "numpy leaves room in a header for any length of the first axis"

    def _head(self) -> None:
        fields = {"descr": "|u1", "fortran_order": False, "shape": (self._length, *self._shape)}
        np.lib.format.write_array_header_1_0(self._file, fields)


@contextmanager
def growing_shard(path: Path, *, shape: tuple[int, ...]) -> Iterator[GrowingShard]:
    """A shard that appears under ``path`` when the block ends well; none does if nothing was written to it."""
    with atomic_write(path) as file:
        shard = GrowingShard(file, shape)
        yield shard
        shard.finish()
    if not len(shard):
        path.unlink()  # an array without entries cannot be memory-mapped
