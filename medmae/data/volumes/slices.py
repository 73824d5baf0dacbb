"""Single slices of volumes: what Edge-MAE pre-trains on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from medmae.data.contrasts import LabelKind
from medmae.data.manifest import Manifest, Row
from medmae.data.views import Item
from medmae.data.volumes.cut import Cut
from medmae.data.volumes.selection import filled_slices, label_shards, stored_shape
from medmae.errors import DataError
from medmae.kinds import Kind


@dataclass(frozen=True, kw_only=True)
class Slices(Cut):
    """One sample a case, contrast and slice that shows enough of the head; see :class:`~medmae.data.volumes.cut.Cut`.

    Args:
        contrasts: Names to keep; None keeps all.
        size: Edge in pixels. Slices are zero-padded to a square, centred, then resized bilinearly. None gives the
            stored ``(1, H, W)``.
        resize: False leaves pixels as they are: slices are zero-padded to ``size``, centred, and larger ones refused.
        min_foreground: Smallest share of foreground of a slice.
    """

    noun = "slice"

    size: int | None = 256
    resize: bool = True
    min_foreground: float = 0.02

    def __post_init__(self) -> None:
        if self.size is not None and self.size < 1:
            raise ValueError(f"size must be positive or None, got {self.size}")

    def pieces(self, row: Row) -> np.ndarray:
        """Numbers of the slices that show enough.

        Raises:
            DataError: If they are larger than ``size``, and nothing is to be resized.
        """
        if self.size is not None and not self.resize:
            _refuse_larger(row, size=self.size)
        return filled_slices(row, min_foreground=self.min_foreground)

    def cut(self, source: Manifest, item: Item, positions: Sequence[int], *, neighbours: int = 0) -> Tensor:
        """``(contrasts * (1 + 2 * neighbours), size, size)``; the last slice is repeated beyond the ends."""
        shard = source.shards[source.rows[item.numbers[0]]["shard"]]  # (S, C, H, W)
        found = [self._of(shard, position, z=item.numbers[1], neighbours=neighbours) for position in positions]
        return found[0] if len(found) == 1 else torch.cat(found)

    def marked(self, source: Manifest, item: Item, kind: LabelKind) -> Tensor:
        """``(1, size, size)``."""
        row, z = source.rows[item.numbers[0]], item.numbers[1]
        plane = np.zeros(stored_shape(row)[1:], dtype=bool)
        for shard in label_shards(row, kind):
            plane |= np.asarray(source.shards[shard][z]) > 0
        image = torch.from_numpy(plane).float()[None]
        return image if self.size is None else fit(image, size=self.size, resize=self.resize)

    def _of(self, shard: np.ndarray, position: int, *, z: int, neighbours: int) -> Tensor:
        if position < 0:
            shape = shard.shape[2:] if self.size is None else (self.size, self.size)
            return torch.zeros(1 + 2 * neighbours, *shape)
        image = planes(shard, position=position, z=z, neighbours=neighbours)
        return image if self.size is None else fit(image, size=self.size, resize=self.resize)

    def middle(self, source: Manifest, item: Item) -> int:
        """The slice."""
        return item.numbers[1]

    def kind(self, name: str, channels: int | Sequence[str]) -> Kind:
        """``(B, C, H, W)``."""
        return Kind.slice(name, channels=channels)


def planes(shard: np.ndarray, *, position: int, z: int, neighbours: int = 0) -> Tensor:
    """A slice of one contrast and ``neighbours`` on each side of it, float32 ``(1 + 2 * neighbours, H, W)``.

    Beyond the ends of the shard ``(S, C, H, W)`` its last slice is repeated.
    """
    first, last = max(z - neighbours, 0), min(z + neighbours, shard.shape[0] - 1)
    # torch turns float16 into float32 about twenty times faster than numpy does.
    found = torch.from_numpy(np.array(shard[first : last + 1, position])).float()
    if last - first == 2 * neighbours:
        return found
    return found[around(z, neighbours=neighbours, count=shard.shape[0]) - first]


def around(slices: npt.ArrayLike, *, neighbours: int, count: int) -> np.ndarray:
    """Numbers of the slices around each of ``slices``, kept inside ``count``: ``(..., 1 + 2 * neighbours)``."""
    return (np.asarray(slices)[..., None] + np.arange(-neighbours, neighbours + 1)).clip(0, count - 1)


def longest_edge(rows: Iterable[Row]) -> int:
    """Of all slices of some cases, in pixels: the least ``size`` to which none has to be shrunk."""
    return max(max(stored_shape(row)[1:]) for row in rows)


def _refuse_larger(row: Row, *, size: int) -> None:
    _, H, W = stored_shape(row)
    if max(H, W) > size:
        raise DataError(
            f"slices of case {row['case']} have {H} x {W} pixels, more than the network's {size} x {size}, and it "
            "takes them as they are",
            field="size",
            value=size,
            remedy=f"build it for the largest of the data set, for instance --method::image_size {max(H, W)}",
        )


def fit(image: Tensor, *, size: int, resize: bool = True) -> Tensor:
    """Zero-pads ``(C, H, W)`` to a centred square and resizes it bilinearly to ``(C, size, size)``.

    Without ``resize`` it is padded to ``size`` as it is.

    Raises:
        ValueError: If it is larger then.
    """
    H, W = image.shape[-2:]
    edge = max(H, W) if resize else size
    if max(H, W) > edge:
        raise ValueError(f"slices of {H} x {W} pixels do not fit into {size} x {size} unless they are resized")
    if not H == W == edge:
        top, left = (edge - H) // 2, (edge - W) // 2
        image = F.pad(image, (left, edge - W - left, top, edge - H - top))  # (C, E, E)
    if image.shape[-1] == size:
        return image
    return F.interpolate(image[None], size=(size, size), mode="bilinear", align_corners=False)[0]


def unfit(image: Tensor, *, shape: tuple[int, int], resize: bool = True) -> Tensor:
    """Undoes :func:`fit`: ``(C, size, size)`` back to ``(C, H, W)``; exact where nothing was resized."""
    H, W = shape
    edge = max(H, W) if resize else image.shape[-1]
    if image.shape[-1] != edge:
        image = F.interpolate(image[None], size=(edge, edge), mode="bilinear", align_corners=False)[0]
    top, left = (edge - H) // 2, (edge - W) // 2
    return image[..., top : top + H, left : left + W]
