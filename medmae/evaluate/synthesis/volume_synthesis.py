"""A whole volume through a synthesis network: slice by slice with neighbours, or in overlapping 3-d crops."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from scipy.ndimage import gaussian_filter1d
from torch import Tensor

from medmae.data.volumes.bounding_box import bounding_box
from medmae.data.volumes.cases import MARGIN
from medmae.data.volumes.slices import around, fit, unfit
from medmae.errors import DataError
from medmae.evaluate.synthesis.views import over_views

Network = Callable[[Tensor], Tensor]
Box = tuple[slice, slice, slice]


def source_box(volume: np.ndarray) -> Box:
    """What a network sees of a volume: the box around all that is not background, with the margin of preparation.

    The contrasts given decide alone. A stored case may be wider, since its box holds the target and labels, too, which
    whoever has only the source does not know.

    Args:
        volume: ``(S, C, H, W)``; 0 is background, and where a contrast is not given.
    """
    z, y, x = (slice(*ends) for ends in bounding_box(np.any(volume, axis=1), margin=MARGIN))
    return z, y, x


@torch.no_grad()
def synthesise_volume(
    network: Network,
    volume: np.ndarray,
    *,
    size: int | Sequence[int],
    resize: bool = True,
    neighbours: int = 0,
    overlap: float = 0.5,
    smooth: float = 0.0,
    batch_size: int = 16,
    device: torch.device | str = "cpu",
    keep_background: bool = True,
) -> np.ndarray:
    """A volume through a network, and back to the shape it had.

    The network sees the :func:`source_box`; outside it the result is 0. In 2-d, slices are fitted as in training
    (zero-padded to a centred square, resized bilinearly) and results are unfitted; where nothing is resized, because
    ``size`` is the longer edge of the box or without ``resize``, that is exact. In 3-d, overlapping crops are blended
    with Hann weights, in float64, so that a network that changes nothing gives the volume back bit for bit; a smaller
    box is zero-padded, centred. An empty slice (0 in all contrasts) and an empty crop skip the network; an empty slice
    stays 0.

    Args:
        network: ``(B, C, *size) -> (B, C', *size)``; with neighbours C is ``1 + 2 * neighbours``. It lies on
            ``device`` and is in evaluation mode.
        volume: ``(S, C, H, W)`` float32 in [0, 1].
        size: Of the network's input: edge of a square slice in pixels, or three numbers, (slices, rows, columns) of a
            crop.
        resize: False gives a 2-d network slices in their own pixels, zero-padded to ``size``, or to their longer edge
            where that is more.
        neighbours: Slices on each side that a 2-d network sees as further channels; beyond the ends the last slice is
            repeated. Only for one contrast.
        overlap: Of neighbouring crops, as a share of their size; 3-d only.
        smooth: Standard deviation, in slices, of a Gaussian along the slice axis of the result; 0 leaves it as it is.
        batch_size: Slices or crops at once.
        device: Where to compute.
        keep_background: Voxels that are 0 in every contrast given stay 0, as in the real images: a network's sigmoid
            never reaches it, and tools take what is not 0 for the head.

    Returns:
        ``(S, C', H, W)`` float32.

    Raises:
        DataError: If every slice is empty.
        ValueError: If an argument is out of range.
    """
    edges = (size, size) if isinstance(size, int) else tuple(size)
    _check(volume, edges, neighbours=neighbours, overlap=overlap, batch_size=batch_size)
    z, y, x = source_box(volume)
    inner = volume[z, :, y, x]
    filled = np.flatnonzero(inner.any(axis=(1, 2, 3)))
    if not len(filled):
        raise DataError("every slice is empty", remedy="check that the volume holds an image")
    options: dict[str, Any] = {"batch_size": batch_size, "device": device}
    if len(edges) == 3:
        made = _by_crops(network, inner, edges, filled, overlap=overlap, **options)
    else:
        made = _by_slices(network, inner, edges[0], filled, resize=resize, neighbours=neighbours, **options)
    whole = np.zeros((len(volume), made.shape[1], *volume.shape[2:]), dtype=np.float32)
    whole[z, :, y, x] = made
    if not keep_background:
        return smooth_slices(whole, sigma=smooth, inside=np.any(whole, axis=(1, 2, 3))[:, None, None, None])
    return smooth_slices(_without_background(whole, volume), sigma=smooth, inside=foreground(volume))


def _by_slices(
    network: Network,
    volume: np.ndarray,
    edge: int,
    filled: np.ndarray,
    *,
    resize: bool,
    neighbours: int,
    batch_size: int,
    device: torch.device | str,
) -> np.ndarray:
    shape = (volume.shape[2], volume.shape[3])
    edge = network_edge(edge, shape=shape, resize=resize)
    result: np.ndarray | None = None
    for numbers, planes in _batches(volume, filled, neighbours=neighbours, batch_size=batch_size):
        images = fit(planes.flatten(0, 1), size=edge, resize=resize).unflatten(0, planes.shape[:2])
        made = network(images.to(device)).float().cpu()  # (B, C', edge, edge)
        back = unfit(made.flatten(0, 1), shape=shape, resize=resize).unflatten(0, made.shape[:2])  # (B, C', H, W)
        if result is None:
            result = np.zeros((len(volume), back.shape[1], *shape), dtype=np.float32)
        result[numbers] = back.numpy()
    assert result is not None
    return result


def network_edge(size: int, *, shape: Sequence[int], resize: bool) -> int:
    """Of the square as which a network of ``size`` sees slices of a box ``(..., H, W)``: see `synthesise_volume`."""
    return size if resize else max(size, *shape[-2:])


def uncertainty_volume(
    network: Network,
    volume: np.ndarray,
    *,
    size: int | Sequence[int],
    resize: bool = True,
    neighbours: int = 0,
    overlap: float = 0.5,
    smooth: float = 0.0,
    batch_size: int = 16,
    device: torch.device | str = "cpu",
) -> tuple[np.ndarray, np.ndarray]:
    """The same under test-time augmentation: mean and standard deviation over flips and quarter turns.

    Arguments as of :func:`synthesise_volume`; see :func:`medmae.evaluate.synthesis.views.over_views`. The network works
    eight times (four where a crop is not square). ``smooth`` smooths the mean and leaves the deviation.

    Returns:
        ``(S, C', H, W)`` float32 each.
    """
    both = synthesise_volume(
        over_views(network),
        volume,
        size=size,
        resize=resize,
        neighbours=neighbours,
        overlap=overlap,
        batch_size=batch_size,
        device=device,
    )
    mean, std = np.split(both, 2, axis=1)
    return smooth_slices(mean, sigma=smooth, inside=foreground(volume)), std


def smooth_slices(volume: np.ndarray, *, sigma: float, inside: np.ndarray) -> np.ndarray:
    """Smooths along the slice axis only, against stripes of networks that see one slice at a time.

    A voxel inside becomes the weighted mean of those voxels of its column that lie inside, too (a normalised
    convolution): the background above and below a head does not darken its rim. Other voxels stay as they are.

    Args:
        volume: ``(S, C, H, W)`` float32.
        sigma: Standard deviation of the Gaussian, in slices; 0 changes nothing.
        inside: What to smooth, bool, of a shape that broadcasts to that of the volume: ``(S, 1, H, W)`` for voxels,
            ``(S, 1, 1, 1)`` for whole slices.
    """
    if sigma < 0:
        raise ValueError(f"sigma must be >= 0, got {sigma}")
    if sigma == 0:
        return volume
    kept = np.where(inside, volume, np.float32(0))  # (S, C, H, W)
    total = gaussian_filter1d(kept, sigma, axis=0, mode="constant")
    weight = gaussian_filter1d(inside.astype(np.float32), sigma, axis=0, mode="constant")  # (S, 1, H, W)
    return np.divide(total, weight, out=volume.copy(), where=np.broadcast_to(inside, volume.shape))


def foreground(volume: np.ndarray) -> np.ndarray:
    """Where any contrast of ``(S, C, H, W)`` is not background: ``(S, 1, H, W)`` bool."""
    return np.any(volume, axis=1)[:, None]


def _without_background(made: np.ndarray, volume: np.ndarray) -> np.ndarray:
    return np.where(foreground(volume), made, np.float32(0))


def _batches(
    volume: np.ndarray, filled: np.ndarray, *, neighbours: int, batch_size: int
) -> Iterator[tuple[np.ndarray, Tensor]]:
    """Numbers and images ``(B, (1 + 2k) * C, H, W)`` of the slices that are not empty."""
    for start in range(0, len(filled), batch_size):
        numbers = filled[start : start + batch_size]
        planes = volume[around(numbers, neighbours=neighbours, count=len(volume))]  # (B, 1 + 2k, C, H, W)
        yield numbers, torch.from_numpy(planes).float().flatten(1, 2)


def _by_crops(
    network: Network,
    volume: np.ndarray,
    size: tuple[int, ...],
    filled: np.ndarray,
    *,
    overlap: float,
    batch_size: int,
    device: torch.device | str,
) -> np.ndarray:
    from monai.inferers import sliding_window_inference  # seconds to import: only for volumes

    def predictor(crops: Tensor) -> Tensor:  # (B, C, D, H, W) float64 on the CPU
        worth = crops.flatten(1).any(dim=1)
        made = network((crops[worth] if worth.any() else crops[:1]).float().to(device)).cpu().double()
        whole = made.new_zeros(len(crops), *made.shape[1:])
        whole[worth] = made[: int(worth.sum())]
        return whole

    whole = torch.from_numpy(volume).double().transpose(0, 1)[None]  # (1, C, S, H, W)
    made = sliding_window_inference(
        whole, size, batch_size, predictor, overlap=overlap, roi_weight_map=_hann(size), device="cpu", sw_device="cpu"
    )
    result = np.zeros((len(volume), made.shape[1], *volume.shape[2:]), dtype=np.float32)
    result[filled] = made[0].transpose(0, 1).float().numpy()[filled]
    return result


def _hann(size: Sequence[int]) -> Tensor:
    """Weights of a crop ``size``, highest in its middle and positive at its rim, float64."""
    weight = torch.ones((), dtype=torch.float64)
    for n in size:
        weight = weight[..., None] * torch.hann_window(n + 2, periodic=False, dtype=torch.float64)[1:-1]
    return weight


def _check(volume: np.ndarray, size: tuple[int, ...], *, neighbours: int, overlap: float, batch_size: int) -> None:
    if volume.ndim != 4:
        raise ValueError(f"a volume is (S, C, H, W), got shape {volume.shape}")
    if len(size) not in (2, 3) or min(size) < 1 or (len(size) == 2 and size[0] != size[1]):
        raise ValueError(f"size is the edge of a square slice or (slices, rows, columns), got {size}")
    if neighbours < 0 or batch_size < 1 or not 0 <= overlap < 1:
        raise ValueError(
            "neighbours must be >= 0, batch_size >= 1 and overlap in [0, 1), "
            f"got {neighbours}, {batch_size} and {overlap}"
        )
    if neighbours and (volume.shape[1] != 1 or len(size) == 3):
        raise ValueError(f"neighbours are for slices of one contrast, got {volume.shape[1]} contrasts and size {size}")
