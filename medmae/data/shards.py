"""Opening shards: memory maps kept open in each process, so that one slice costs one copy of one slice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from medmae.data.manifest import Manifest, inside
from medmae.errors import DataError


class Shards:
    """The arrays behind a manifest's rows, opened on first use.

    A copy that goes to a worker process starts without open files.

    Args:
        manifest: Where the rows come from.
    """

    def __init__(self, manifest: Manifest) -> None:
        self.folder = manifest.folder
        self._open: dict[str, np.ndarray] = {}

    def __getitem__(self, shard: str) -> np.ndarray:
        """The array (memory map, or zarr array) of a row's ``shard`` path."""
        array = self._open.get(shard)
        if array is None:
            array = self._open[shard] = open_shard(inside(self.folder, shard))
        return array

    def __getstate__(self) -> dict[str, Any]:
        return {"folder": self.folder, "_open": {}}


def open_shard(path: Path) -> np.ndarray:
    """Opens one shard: ``.npy`` as a memory map, ``.zarr`` as a zarr array, which slices and casts alike.

    Raises:
        DataError: If the file is missing, truncated or not what its name says.
    """
    remedy = "prepare the data again; `Manifest.read(path, verify=True)` names every damaged shard"
    try:
        if path.suffix == ".zarr":
            return _open_zarr(path)
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError, KeyError) as error:
        raise DataError(f"the shard cannot be read ({error})", path=path, remedy=remedy) from error


def _open_zarr(path: Path) -> np.ndarray:
    try:
        import zarr
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "zarr shards need the package zarr: pip install 'medmae[prep]'", name="zarr"
        ) from error
    return zarr.open_array(path, mode="r")
