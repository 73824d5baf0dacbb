"""A whole volume through a synthesis network: slice by slice, with neighbours."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor

from medmae.data.slices import fit, unfit
from medmae.errors import DataError

Network = Callable[[Tensor], Tensor]


@torch.no_grad()
def synthesise_volume(
    network: Network,
    volume: np.ndarray,
    *,
    size: int,
    neighbours: int = 0,
    batch_size: int = 16,
    device: torch.device | str = "cpu",
) -> np.ndarray:
    """Every slice through a 2-d network, and back to the shape it had.

    Slices are fitted as in training (zero-padded to a centred square, resized bilinearly) and results are unfitted;
    where nothing is resized, because ``size`` is the longer edge of a slice, that is exact. An empty slice (0 in all
    contrasts) skips the network and stays 0.

    Args:
        network: ``(B, C, size, size) -> (B, C', size, size)``; with neighbours C is ``1 + 2 * neighbours``. It lies on
            ``device`` and is in evaluation mode.
        volume: ``(S, C, H, W)`` float32 in [0, 1].
        size: Edge of the network's input in pixels.
        neighbours: Slices on each side that the network sees as further channels; beyond the ends the last slice is
            repeated. Only for one contrast.
        batch_size: Slices at once.
        device: Where to compute.

    Returns:
        ``(S, C', H, W)`` float32.

    Raises:
        DataError: If every slice is empty.
        ValueError: If an argument is out of range.
    """
    _check(volume, neighbours=neighbours, batch_size=batch_size)
    shape = (volume.shape[2], volume.shape[3])
    result: np.ndarray | None = None
    for numbers, images in _batches(volume, size=size, neighbours=neighbours, batch_size=batch_size):
        made = network(images.to(device)).float().cpu()  # (B, C', size, size)
        back = unfit(made.flatten(0, 1), shape=shape).unflatten(0, made.shape[:2]).numpy()  # (B, C', H, W)
        if result is None:
            result = np.zeros((len(volume), back.shape[1], *shape), dtype=np.float32)
        result[numbers] = back
    if result is None:
        raise DataError("every slice is empty", remedy="check that the volume holds an image")
    return result


def with_neighbours(volume: np.ndarray, numbers: np.ndarray, *, neighbours: int) -> np.ndarray:
    """Slices with those around them as channels; beyond the ends the last slice is repeated.

    Args:
        volume: ``(S, C, H, W)``.
        numbers: ``(B,)`` slices.
        neighbours: k, on each side.

    Returns:
        ``(B, (1 + 2k) * C, H, W)``; with C = 1 channel k is the slice itself.
    """
    around = numbers[:, None] + np.arange(-neighbours, neighbours + 1)  # (B, 1 + 2k)
    planes = volume[around.clip(0, len(volume) - 1)]  # (B, 1 + 2k, C, H, W)
    return planes.reshape(len(numbers), -1, *volume.shape[2:])


def _batches(volume: np.ndarray, *, size: int, neighbours: int, batch_size: int) -> Iterator[tuple[np.ndarray, Tensor]]:
    """Numbers and fitted images ``(B, C, size, size)`` of the slices that are not empty."""
    filled = np.flatnonzero(volume.any(axis=(1, 2, 3)))
    for start in range(0, len(filled), batch_size):
        numbers = filled[start : start + batch_size]
        images = torch.from_numpy(with_neighbours(volume, numbers, neighbours=neighbours)).float()  # (B, C, H, W)
        yield numbers, fit(images.flatten(0, 1), size=size).unflatten(0, images.shape[:2])


def _check(volume: np.ndarray, *, neighbours: int, batch_size: int) -> None:
    if volume.ndim != 4:
        raise ValueError(f"a volume is (S, C, H, W), got shape {volume.shape}")
    if neighbours < 0 or batch_size < 1:
        raise ValueError(f"neighbours must be >= 0 and batch_size >= 1, got {neighbours} and {batch_size}")
    if neighbours and volume.shape[1] != 1:
        raise ValueError(f"neighbours are for one contrast, got {volume.shape[1]} with neighbours={neighbours}")
