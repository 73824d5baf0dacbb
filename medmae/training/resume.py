"""Checkpoints that a kill cannot halve, and finding the one to go on from."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning.plugins.io import TorchCheckpointIO

from medmae.errors import DataError
from medmae.files import atomic_write
from medmae.reading import reading
from medmae.training.checkpoints import checkpoints
from medmae.training.log import tell
from medmae.training.wanted import NEWEST, REMEDY, require_checkpoint


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes a checkpoint to a temp file, forces it to disk, and only then gives it its name."""

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: object | None = None
    ) -> None:
        """See Lightning's ``CheckpointIO``; options of remote storage are refused.

        Raises:
            TypeError: If storage options are given.
            OSError: If it cannot be written.
        """
        if storage_options is not None:
            raise TypeError(
                f"AtomicCheckpointIO writes local files and takes no storage options, got {storage_options!r}"
            )
        try:
            with atomic_write(path) as file:
                torch.save(checkpoint, file)
        except RuntimeError as error:
            # torch closes its archive while the disk's error passes through, fails at that, and hides the reason.
            if isinstance(error.__context__, OSError):
                raise error.__context__ from None
            raise


def read_checkpoint(path: str | Path) -> dict[str, Any]:
    """A checkpoint of a training, every byte of which was compared with its checksum.

    Raises:
        DataError: If it is missing, incomplete, damaged, or no checkpoint of a training.
    """
    with reading(path, what="the checkpoint", remedy=REMEDY):
        with zipfile.ZipFile(path) as archive:
            unpacked, damaged = sum(entry.file_size for entry in archive.infolist()), archive.testzip()
        if damaged or unpacked > Path(path).stat().st_size:  # torch compresses nothing
            raise DataError("the checkpoint is damaged", path=path, field="record", value=damaged, remedy=REMEDY)
        content = torch.load(path, map_location="cpu", weights_only=True)
    if not isinstance(content, dict) or "medmae" not in content or "global_step" not in content:
        raise DataError(
            "this is no checkpoint of a training",
            path=path,
            remedy="name a file of checkpoints/; weights are loaded through the method's own settings",
        )
    return content


def find_checkpoint(wanted: str | Path, *, folder: str | Path) -> tuple[Path, dict[str, Any]]:
    """The file to go on from, and what it holds.

    Args:
        wanted: A path, or ``newest``: the newest one of ``folder`` that can be read whole; those that cannot are told.
        folder: Of the run's checkpoints.

    Raises:
        DataError: If there is none.
    """
    require_checkpoint(wanted)
    if str(wanted) != NEWEST:
        return Path(wanted), read_checkpoint(wanted)
    unreadable = []
    for path in checkpoints(folder):
        try:
            content = read_checkpoint(path)
        except DataError as error:
            unreadable.append(str(error))
            continue
        for reason in unreadable:
            tell(f"passed over: {reason}")
        return path, content
    earlier = sorted(map(str, Path(folder).glob("earlier-*/step-*.ckpt")))
    raise DataError(
        "no checkpoint to go on from" + "".join(f"; {reason}" for reason in unreadable),
        path=folder,
        remedy="leave --checkpoint out to start anew"
        + (f", or name one of an earlier training, such as {earlier[-1]}" if earlier else ""),
    )
