"""Pictures of any source and any number of channels: the view for pre-training and classification of images."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar

import numpy as np
import torch
from torch import Tensor

from medmae.data.images.shapes import cover, to_bytes, with_channels
from medmae.data.images.source import read_images
from medmae.data.labels import Labels
from medmae.data.source import Source
from medmae.data.table import Table
from medmae.data.views import About, Item, View
from medmae.errors import DataError, check_choice
from medmae.kinds import Kind

S = TypeVar("S", bound=Source)


@dataclass(frozen=True, kw_only=True)
class PictureView(View[S], Generic[S]):
    """Pictures ``{"image": (C, H, W)}`` of one size, float32 in [0, 1] or uint8.

    Args:
        size: Height and width; one integer is a square: the largest centred part of that shape, resized (bilinear,
            antialiased). None leaves sizes as they are.
        channels: C: grey is repeated, colour becomes grey, anything else is refused. None leaves them as they are.
        dtype: ``float32`` or ``uint8``, a quarter of the memory; :class:`medmae.data.augment.image.ImageAugment`
            takes both.

    Raises:
        ValueError: If the size is not positive, or ``dtype`` is another word.
    """

    name = "image"  # of the kind of data
    size: int | Sequence[int] | None = 224
    channels: int | None = 3
    dtype: Literal["float32", "uint8"] = "float32"

    def __post_init__(self) -> None:
        check_choice(self.dtype, ("float32", "uint8"), name="dtype")
        if self.shape is not None and min(self.shape) < 1:
            raise ValueError(f"size must be positive or None, got {self.size}")
        object.__setattr__(self, "size", self.shape)  # one spelling, one hash

    @property
    def shape(self) -> tuple[int, int] | None:
        """Height and width; None as they are."""
        if isinstance(self.size, int):
            return self.size, self.size
        return None if self.size is None else (self.size[0], self.size[1])

    @property
    def kept_shape(self) -> tuple[int, ...]:
        """``(C, H, W)``.

        Raises:
            ValueError: If there is no one shape.
        """
        if self.shape is None or self.channels is None:
            raise ValueError("in_memory needs one size and one number of channels, got None")
        return self.channels, *self.shape

    def kinds(self, source: S) -> dict[str, Kind]:
        """One picture; of unknown channels, those of the first."""
        channels = self.channels
        if channels is None:
            channels = self.pixels(source, self.items(source, source.places())[0].tolist()).shape[2]
        return {self.name: Kind.image(self.name, channels=channels, peak=1.0 if self.dtype == "float32" else 255.0)}

    @abstractmethod
    def pixels(self, source: S, numbers: Sequence[int]) -> np.ndarray:
        """``(H, W, C)``, uint8 or float32 in [0, 1]."""

    def raw(self, source: S, item: Item) -> Tensor:
        """``(C, H, W)``, of the type that it is stored in."""
        # Copied, for some arrays are not ours to write on; channels stay innermost, which is faster to resize.
        image = torch.from_numpy(np.array(self.pixels(source, item.numbers))).permute(2, 0, 1)  # (C, H, W)
        try:
            image = image if self.channels is None else with_channels(image, self.channels)
        except ValueError as error:
            name, remedy = self.describe(source, item).case, "choose the number of channels that the images have"
            raise DataError(str(error), path=source.path, field="image", value=name, remedy=remedy) from error
        return image.contiguous() if self.shape is None else cover(image, size=self.shape)

    def finish(self, raw: Tensor) -> dict[str, Tensor]:
        """The picture in the type that was asked for."""
        if self.dtype == "uint8":
            return {self.name: raw if raw.dtype == torch.uint8 else to_bytes(raw)}
        return {self.name: raw.float().div_(255) if raw.dtype == torch.uint8 else raw}

    def read(self, source: S, item: Item) -> dict[str, Tensor]:
        """The picture, by its name."""
        return self.finish(self.raw(source, item))


@dataclass(frozen=True, kw_only=True)
class Pictures(PictureView[Table]):
    """One sample a picture of a table; see :class:`PictureView` for the options.

    Sources are what :func:`medmae.data.images.source.read_images` gives, or takes.
    """

    noun = "image"

    def open(self, source: Source | str | Path) -> Table:
        """A table as it is; anything else by :func:`~medmae.data.images.source.read_images`."""
        if isinstance(source, Table):
            return source
        return read_images(source if isinstance(source, str | Path) else source.path)

    def items(self, source: Table, places: Sequence[int]) -> np.ndarray:
        """``(N, 1)``: the picture."""
        return np.array(places, dtype=np.int64)[:, None]

    def labels(self, source: Table, items: np.ndarray) -> Labels:
        """The class of each, or what else was asked for when the source was read."""
        if source.targets is not None:
            return source.targets[items[:, 0]]
        known = sorted({label for label in source.labels if label is not None})
        return Labels.of_classes([source.labels[place] for place in items[:, 0].tolist()], known=known)

    def pixels(self, source: Table, numbers: Sequence[int]) -> Any:  # noqa: ANN401 - whatever the source reads
        """``(H, W, C)``, uint8 or float32 in [0, 1]."""
        return source.read(numbers[0])

    def describe(self, source: Table, item: Item) -> About:
        """Name, patient and class."""
        place = item.numbers[0]
        return About(source.names[place], source.subject_of(place), label=source.labels[place])
