"""Opening shards: memory maps stay open while they are in use, so that one slice costs one copy of one slice."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import numpy as np

from medmae.data.open_files import RECENT
from medmae.errors import DataError, MachineError, naming_machine_faults


class Shards:
    """The arrays behind a manifest's rows, opened on first use.

    Args:
        folder: Of the manifest: where paths start.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._me = object()  # two readers of one folder, before and after it was prepared anew, share no map

    def __getitem__(self, shard: str) -> np.ndarray:
        """The array (memory map, or zarr array) of a row's ``shard`` path."""
        return RECENT.get((self._me, shard), lambda: open_shard(inside(self.folder, shard)))


def inside(folder: Path, relative: str) -> Path:
    """A path below ``folder``.

    Raises:
        ValueError: If it is absolute or leaves the folder.
    """
    parts = PurePosixPath(relative)
    path = (folder / relative).resolve()
    if parts.is_absolute() or ".." in parts.parts or not path.is_relative_to(folder.resolve()):
        raise ValueError(f"{relative!r} lies outside the folder of the manifest")
    return path


def open_shard(path: Path) -> np.ndarray:
    """Opens one shard: ``.npy`` as a memory map, ``.zarr`` as a zarr array, which slices and casts alike.

    Raises:
        DataError: If the file is missing, truncated or not what its name says.
        MachineError: If the machine is short of something, such as files that may be open.
    """
    remedy = "prepare the data again; `Manifest.read(path, verify=True)` names every damaged shard"
    try:
        with naming_machine_faults():
            return _open_zarr(path) if path.suffix == ".zarr" else np.load(path, mmap_mode="r", allow_pickle=False)
    except MachineError:
        raise
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
