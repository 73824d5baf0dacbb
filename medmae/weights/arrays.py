"""Weights as numpy writes them (``numpy.savez``): what one makes of a checkpoint of flax or TensorFlow."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from medmae.reading import reading
from medmae.weights.damage import FETCH, damaged

_MOST = 50  # times what a file may unpack to: weights hardly shrink, and zeros of an optimiser do
_NUMBERS = "fiub"


def read_arrays(path: Path) -> dict[str, Tensor]:
    """Tensors by name; nothing pickled is read.

    Raises:
        DataError: If the file is damaged, holds other things than numbers, or would unpack to far more than it is.
    """
    with reading(path, what="the weights", remedy=FETCH), zipfile.ZipFile(path) as archive:
        unpacked = sum(entry.file_size for entry in archive.infolist())
    if unpacked > _MOST * path.stat().st_size:
        raise damaged(path, f"no weights: its archive would unpack to {unpacked:,} bytes")
    with reading(path, what="the weights", remedy=FETCH), np.load(path, allow_pickle=False) as arrays:
        found = {name: arrays[name] for name in arrays.files}
    for name, values in found.items():
        if values.dtype.kind not in _NUMBERS:
            remedy = "write it as float32: numpy.savez(path, **{name: numpy.asarray(value, 'float32'), ...})"
            raise damaged(path, f"{name} is of {values.dtype}, which are no numbers", remedy=remedy)
    return {name: torch.from_numpy(np.ascontiguousarray(values)) for name, values in found.items()}
