"""What can be said of data without any network: what every score must stand beside.

On NCT-CRC-HE-100K mean colour alone is right on more than half of the tiles, a histogram of colours on more than 82 %
(A. Ignatov, G. Malivenko, "NCT-CRC-HE: Not All Histopathological Datasets Are Equally Useful", arXiv 2409.11546).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from medmae.evaluate.batches import Batch, each_batch, over_views
from medmae.evaluate.classify.point_features import POINT_FEATURES
from medmae.kinds import Kind
from medmae.tokens.modalities import THERE
from medmae.training.reading import Items

Describe = Callable[[Tensor], Tensor]
RAW, JOINTS = "raw pixels", "raw joints"
LOG_SPECTRUM = "log-spectrum"
_POOLS: Mapping[int, Callable[..., Tensor]] = {
    1: F.adaptive_avg_pool1d,
    2: F.adaptive_avg_pool2d,
    3: F.adaptive_avg_pool3d,
}
# Of each axis at most so much is kept of raw data: of pictures, and of what has more axes than two.
_PICTURE, _MORE, _FRAMES = 32, 16, 8
_POSES = 16  # moments of a skeleton


def plain_features(kind: Kind) -> dict[str, Describe]:
    """Descriptions ``(B, C, *size)`` -> ``(B, D)`` that suit a kind of data, by name; raw data last.

    Clouds have no raw data to compare: their points are in any order.
    """
    if set(kind.roles) == {"time", "joint"}:
        raw = partial(raw_pixels, most=[_POSES, 2**31])
        return {"mean pose": partial(mean_frame, axis=kind.axis("time")), "joint velocities": velocities, JOINTS: raw}
    if kind.roles == ("point",):
        return dict(POINT_FEATURES)
    found: dict[str, Describe] = {"mean colour" if kind.colour else "mean intensity": mean_intensity}
    if kind.colour:
        found["colour histogram"] = colour_histogram
    if {"time", "frequency"} <= set(kind.roles):
        found[LOG_SPECTRUM] = partial(spectrum, axis=kind.axis("time"))
    elif "time" in kind.roles and len(kind.axes) > 1:
        found["mean frame"] = partial(mean_frame, axis=kind.axis("time"))
    return found | {RAW: partial(raw_pixels, most=_most(kind))}


def mean_intensity(data: Tensor) -> Tensor:
    """Mean of each channel: ``(B, C, *size)`` -> ``(B, C)``."""
    return data.mean(dim=tuple(range(2, data.ndim)))


def colour_histogram(images: Tensor, *, bins: int = 8) -> Tensor:
    """Share of pixels in each cell of the RGB cube: ``(B, 3, *size)`` in [0, 1] -> ``(B, bins ** 3)``."""
    cells = (images * bins).long().clamp(0, bins - 1).flatten(2)  # (B, 3, N)
    index = (cells[:, 0] * bins + cells[:, 1]) * bins + cells[:, 2]  # (B, N)
    counts = images.new_zeros(len(images), bins**3)
    return counts.scatter_add_(1, index, counts.new_ones(index.shape)) / index.shape[1]


def mean_frame(data: Tensor, *, axis: int) -> Tensor:
    """What does not move, at most 16 along each axis: ``(B, C, *size)`` -> ``(B, D)``."""
    still = data.mean(dim=axis)
    return raw_pixels(still, most=[_MORE] * (still.ndim - 2))


def velocities(data: Tensor) -> Tensor:
    """From each of 16 moments to the next: ``(B, C, T, V)`` -> ``(B, D)``."""
    poses = raw_pixels(data, most=[_POSES, 2**31]).reshape(*data.shape[:2], -1, data.shape[3])
    return poses.diff(dim=2).flatten(1)


def spectrum(data: Tensor, *, axis: int) -> Tensor:
    """Mean and deviation of each band along time: ``(B, C, *size)`` -> ``(B, 2 D)``.

    Of sounds of the surroundings they tell most classes already: 0.72 of ten in ESC-10.
    """
    return torch.cat([data.mean(dim=axis).flatten(1), data.std(dim=axis, correction=0).flatten(1)], dim=1)


def raw_pixels(data: Tensor, *, most: list[int]) -> Tensor:
    """The data itself, by means over blocks at most so much along each axis: ``(B, C, *size)`` -> ``(B, D)``.

    Of more than three axes the others are left as they are.
    """
    edges = [min(own, limit) for own, limit in zip(data.shape[2:], most, strict=True)][-3:]
    last = data.flatten(0, data.ndim - len(edges) - 1).unsqueeze(1)  # (B * ..., 1, *size)
    return _POOLS[len(edges)](last, edges).reshape(len(data), -1)


def _most(kind: Kind) -> list[int]:
    space = _PICTURE if len(kind.axes) <= 2 else _MORE
    return [
        _FRAMES if axis.role == "time" and len(kind.axes) > 1 else space if axis.smooth else 2**31 for axis in kind.axes
    ]


def describe_images(
    sets: Sequence[Items[Mapping[str, Any]]],
    *,
    by: Mapping[str, Describe],
    name: str,
    batch_size: int = 64,
    left_out: dict[int, str] | None = None,
) -> dict[str, np.ndarray]:
    """Each description of every image that can be read, read once.

    Args:
        sets: Data sets, counted through; items with data of the name.
        by: Descriptions by name, data ``(B, C, *size)`` -> ``(B, D)``.
        name: Of the kind of data.
        batch_size: Images at once.
        left_out: Receives why an image was left out, by its number.

    Returns:
        ``(N, D)`` float32 by name.
    """
    return describe_kinds(sets, by={name: by}, batch_size=batch_size, left_out=left_out).get(name, {})


@torch.no_grad()
def describe_kinds(
    sets: Sequence[Items[Mapping[str, Any]]],
    *,
    by: Mapping[str, Mapping[str, Describe]],
    batch_size: int = 64,
    left_out: dict[int, str] | None = None,
    lacking: dict[int, str] | None = None,
) -> dict[str, dict[str, np.ndarray]]:
    """The same of several kinds of data, of samples that have all of them.

    Args:
        sets: Data sets, counted through; items with data of each kind.
        by: Descriptions by kind and name.
        batch_size: Samples at once.
        left_out: Receives why a sample cannot be read, by its number.
        lacking: Receives, likewise, which kind a sample does not have.

    Returns:
        ``(N, D)`` float32 by kind and name; empty if no sample has all kinds.
    """
    parts: dict[str, dict[str, list[Tensor]]] = {name: {key: [] for key in own} for name, own in by.items()}
    wanted = [(name, key, describe) for name, own in by.items() for key, describe in own.items()]
    first = 0
    for some in sets:  # one by one: a test set may have several views of a sample
        lost, without = dict[int, str](), dict[int, str]()
        for numbers, batch in each_batch(some, batch_size=batch_size, left_out=lost):
            whole = _with_all(numbers, batch, list(by), without)
            for name, key, describe in wanted if any(map(len, whole.values())) else ():
                parts[name][key].append(over_views(whole, describe, name=name).float())
        for told, found in ((left_out, lost), (lacking, without)):
            if told is not None:
                told.update({first + number: reason for number, reason in found.items()})
        first += len(some)
    return {
        name: {key: torch.cat(rows).numpy() for key, rows in own.items()}
        for name, own in parts.items()
        if all(own.values())
    }


def plain_of_kinds(described: Mapping[str, Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """By one name each: of one kind as they are called; of several by kind, and what is most telling of all together.

    That is the last before raw data.
    """
    if len(described) < 2:
        return {key: rows for own in described.values() for key, rows in own.items()}
    found = {f"{key} of {name}": rows for name, own in described.items() for key, rows in own.items()}
    told = {name: list(own)[-2] for name, own in described.items()}
    together = np.concatenate([described[name][key] for name, key in told.items()], axis=1)
    return found | {" + ".join(f"{key} of {name}" for name, key in told.items()): together}


def _with_all(numbers: Sequence[int], batch: Batch, names: Sequence[str], lost: dict[int, str]) -> Batch:
    """Samples of a batch that have all kinds; why the others are left out goes to ``lost``."""
    keep = []
    for place, number in enumerate(numbers):
        lacking = [name for name in names if name + THERE in batch and not bool(batch[name + THERE][place].all())]
        if lacking:
            lost[number] = f"it has no {' and no '.join(lacking)}"
        else:
            keep.append(place)
    return batch if len(keep) == len(numbers) else {name: rows[keep] for name, rows in batch.items()}
