"""Labelled images of any source and any number of channels, for pre-training and for classification."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from medmae.data.evenly import evenly
from medmae.data.images.shapes import cover, to_bytes, with_channels
from medmae.data.images.source import read_images
from medmae.data.images.table import ImageTable
from medmae.errors import DataError, check_choice

UNLABELLED = -1


class ImageDataset(Dataset[dict[str, Tensor | int]]):
    """One item an image: ``{"image": (C, H, W), "label": int64 scalar, "index": i}``.

    The image is float32 in [0, 1], or uint8; the label is the place of its class in :attr:`classes`, -1 where it has
    none. Images of other sizes are cut to the largest centred part of the wanted shape and resized (bilinear,
    antialiased).

    Args:
        source: See :func:`medmae.data.images.source.read_images`; or what it gives.
        split: ``train``, ``val`` or ``test``: the source's own, else drawn by patient, or, where no patient is known,
            within each class. None takes all.
        size: Height and width; one integer is a square. None leaves sizes as they are.
        channels: C: grey is repeated, colour becomes grey, anything else is refused. None leaves them as they are.
        classes: Names to keep, in the order of their numbers; None takes all of the source, sorted.
        dtype: ``float32`` or ``uint8``, a quarter of the memory; :class:`medmae.data.augment.image.ImageAugment`
            takes both.
        in_memory: Keeps what was read once, as uint8, in memory that worker processes share; needs ``size`` and
            ``channels``.
        limit: At most so many images, evenly over the split.
        may_be_empty: True for splits that a small source cannot fill.

    Raises:
        DataError: If nothing is left (unless ``may_be_empty``), or a class is unknown.
    """

    def __init__(
        self,
        *,
        source: str | Path | ImageTable,
        split: str | None = "train",
        size: int | Sequence[int] | None = 224,
        channels: int | None = 3,
        classes: Sequence[str] | None = None,
        dtype: Literal["float32", "uint8"] = "float32",
        in_memory: bool = False,
        limit: int | None = None,
        may_be_empty: bool = False,
    ) -> None:
        check_choice(dtype, ("float32", "uint8"), name="dtype")
        if in_memory and (size is None or channels is None):
            raise ValueError("in_memory needs one size and one number of channels, got None")
        if limit is not None and limit < 1:
            raise ValueError(f"limit must be positive or None, got {limit}")
        self.manifest = source if isinstance(source, ImageTable) else read_images(source)
        self.split, self.dtype, self.channels = split, dtype, channels
        self.size = (size, size) if isinstance(size, int) else None if size is None else (size[0], size[1])
        self.classes = _classes(self.manifest, classes)
        number = {name: place for place, name in enumerate(self.classes)}
        of = np.array([number.get(label or "", UNLABELLED) for label in self.manifest.labels], dtype=np.int64)
        places = np.array(self.manifest.places(split), dtype=np.int64)
        places = places if classes is None else places[of[places] != UNLABELLED]
        self._places = places if limit is None else places[evenly(len(places), limit)]
        self.labels = of[self._places]  # (N,)
        self._kept = _Kept(len(self._places), channels, self.size) if in_memory else None
        if not len(self._places) and not may_be_empty:
            raise DataError(
                "no image is left to read",
                path=self.manifest.path,
                field="split, classes",
                value=(split, list(self.classes)),
                remedy="give more images, or choose another split or other classes",
            )

    @property
    def subjects(self) -> np.ndarray:
        """Patient of every image ``(N,)``; its own name where no patient is known."""
        return np.array([self.manifest.units[place] for place in self._places], dtype=np.str_)

    @property
    def knows_patients(self) -> bool:
        """Whether the source tells whose images these are."""
        return self.manifest.patients is not None

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, index: int) -> dict[str, Tensor | int]:
        image = self._read(index) if self._kept is None else self._kept.get(index % len(self), self._read)
        if self.dtype == "float32" and image.dtype == torch.uint8:
            image = image.float().div_(255)
        elif self.dtype == "uint8" and image.dtype != torch.uint8:
            image = to_bytes(image)
        return {"image": image, "label": torch.tensor(int(self.labels[index])), "index": index % len(self)}

    def describe(self, index: int) -> dict[str, str | int]:
        """Name, patient and class of an image, for tables and pictures."""
        place = self._places[index]
        about = {"case": self.manifest.names[place], "subject": self.manifest.units[place]}
        return {**about, "contrast": self.manifest.labels[place] or "image"}

    def _read(self, index: int) -> Tensor:
        """``(C, H, W)``, uint8 or float32."""
        place = int(self._places[index])
        array = self.manifest.read(place)  # (H, W, C)
        # Copied, for some arrays are not ours to write on; channels stay innermost, which is faster to resize.
        image = torch.from_numpy(np.array(array)).permute(2, 0, 1)  # (C, H, W)
        try:
            image = image if self.channels is None else with_channels(image, self.channels)
        except ValueError as error:
            name, remedy = self.manifest.names[place], "choose the number of channels that the images have"
            raise DataError(str(error), path=self.manifest.path, field="image", value=name, remedy=remedy) from error
        return image.contiguous() if self.size is None else cover(image, size=self.size)


class _Kept:
    """Images that were read once, in shared memory: whatever a worker reads, all have."""

    def __init__(self, count: int, channels: int | None, size: tuple[int, int] | None) -> None:
        assert channels is not None
        assert size is not None
        self.images = torch.empty(count, channels, *size, dtype=torch.uint8).share_memory_()
        self.there = torch.zeros(count, dtype=torch.bool).share_memory_()

    def get(self, index: int, read: Callable[[int], Tensor]) -> Tensor:
        """An image ``(C, H, W)`` uint8, read if it is not there yet."""
        if not self.there[index]:
            image = read(index)
            self.images[index] = image if image.dtype == torch.uint8 else to_bytes(image)
            self.there[index] = True  # after the image: another process may be looking
        return self.images[index]


def _classes(table: ImageTable, wanted: Sequence[str] | None) -> tuple[str, ...]:
    known = sorted({label for label in table.labels if label is not None})
    unknown = [name for name in wanted or () if name not in known]
    if unknown:
        raise DataError(
            f"no class {', '.join(unknown)} in this data set",
            path=table.path,
            field="classes",
            value=known,
            remedy="choose among these",
        )
    return tuple(known if wanted is None else wanted)
