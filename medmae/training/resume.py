"""Checkpoints that a kill cannot halve."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from pytorch_lightning.plugins.io import TorchCheckpointIO

from medmae.files import atomic_write


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes a checkpoint to a temp file, forces it to disk, and only then gives it its name."""

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: object | None = None
    ) -> None:
        """See Lightning's ``CheckpointIO``; options of remote storage are refused.

        Raises:
            TypeError: If storage options are given.
        """
        if storage_options is not None:
            raise TypeError(
                f"AtomicCheckpointIO writes local files and takes no storage options, got {storage_options!r}"
            )
        with atomic_write(path) as file:
            torch.save(checkpoint, file)
