"""Opening shards: each is compared with its hash once, and its map stays open, so that a slice costs one copy of it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

import numpy as np

from medmae.data.open_files import RECENT
from medmae.errors import DataError
from medmae.files import sha256_of
from medmae.reading import reading

_REMEDY = "prepare the data again, which writes damaged shards anew; `medmae verify FOLDER` names all of them"


class Shards:
    """The arrays behind a manifest's rows, opened on first use.

    Whatever opens a shard first reads all of it and compares its hash: bits that a disk flipped are no sample. Worker
    processes tell each other what they have compared. Two readers of one folder, before and after it was prepared anew,
    share no map.

    Args:
        folder: Of the manifest: where paths start.
        hashes: sha256 by path, as :func:`sha256_of_shard` has it; other shards are taken as they are.
    """

    def __init__(self, folder: Path, hashes: Mapping[str, str] | None = None) -> None:
        import torch  # seconds, which who reads only rows does not pay

        self.folder = folder
        self._hashes = dict(hashes or {})
        self._places = {shard: place for place, shard in enumerate(self._hashes)}
        self._compared = torch.zeros(len(self._hashes), dtype=torch.bool).share_memory_()

    def __getitem__(self, shard: str) -> np.ndarray:
        """The array (memory map, or zarr array) of a row's ``shard`` path.

        Raises:
            DataError: If the file is missing, truncated, not what its name says, or has another hash.
            MachineError: If the machine is short of something, such as files that may be open.
        """
        return RECENT.get(self, shard, lambda: self._open(shard))

    def _open(self, shard: str) -> np.ndarray:
        path = inside(self.folder, shard)
        array = open_shard(path)  # first: it says best what is wrong with a file that is none
        place = self._places.get(shard)
        if place is not None and not self._compared[place]:
            with reading(path, what="the shard", remedy=_REMEDY):
                found = sha256_of_shard(path)
            if found != self._hashes[shard]:
                raise DataError(
                    "the shard is not what was written: its hash is another one",
                    path=path,
                    field="sha256",
                    value=found,
                    remedy=_REMEDY,
                )
            self._compared[place] = True
        return array


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


def sha256_of_shard(path: Path) -> str:
    """SHA-256 of a shard: of the file, or of all names and files of a zarr folder."""
    if path.is_file():
        return sha256_of(path)
    digest = hashlib.sha256()
    for file in sorted(file for file in path.rglob("*") if file.is_file()):
        digest.update(f"{file.relative_to(path).as_posix()}\0{sha256_of(file)}\n".encode())
    return digest.hexdigest()


def open_shard(path: Path) -> np.ndarray:
    """Opens one shard: ``.npy`` as a memory map, ``.zarr`` as a zarr array, which slices and casts alike.

    Raises:
        DataError: If the file is missing, truncated or not what its name says.
        MachineError: If the machine is short of something, such as files that may be open.
    """
    with reading(path, what="the shard", remedy=_REMEDY):
        return _open_zarr(path) if path.suffix == ".zarr" else np.load(path, mmap_mode="r", allow_pickle=False)


def _open_zarr(path: Path) -> np.ndarray:
    try:
        import zarr
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError("zarr shards need the package zarr: pip install zarr", name="zarr") from error
    return zarr.open_array(path, mode="r")
