"""Kinds of data of one sample, each on a grid of its own: how they are cut, and where their tokens stand."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from medmae.kinds import Kind, ScaleLike
from medmae.nn.positions import FlatSinusoid, Positions
from medmae.tokens.patches import check_floating

_SINUSOID = FlatSinusoid()


class Stream(ABC):
    """One kind of data, of a fixed size, and its patches; a dataclass.

    Attributes:
        scale: What a network expects of it; see :class:`medmae.nn.vit.MaskedViT`.
        positions: Of its tokens.
    """

    scale: ScaleLike | None
    positions: Positions

    @property
    @abstractmethod
    def kind(self) -> Kind:
        """What it is."""

    @property
    @abstractmethod
    def size(self) -> tuple[int, ...]:
        """Extent of the data along each axis."""

    @property
    @abstractmethod
    def patch(self) -> tuple[int, ...]:
        """Extent of a patch along each axis."""

    @property
    def name(self) -> str:
        """Of the kind, by which batches and masks call it."""
        return self.kind.name

    @property
    def whole(self) -> tuple[int, ...]:
        """Extent of the whole patches along each axis: what is left over at the ends is neither seen nor a target.

        Raises:
            ValueError: If there is not one patch.
        """
        if len(self.size) != len(self.patch) or any(s < p or p < 1 for s, p in zip(self.size, self.patch, strict=True)):
            raise ValueError(f"{self.name} of size {self.size} holds no patch of {self.patch}")
        return tuple(s // p * p for s, p in zip(self.size, self.patch, strict=True))

    def cut(self, data: Tensor) -> Tensor:
        """Data ``(B, C, *size)`` without what is left over: ``(B, C, *whole)``.

        Raises:
            ValueError: If it has another size or channel count, or is of whole numbers.
        """
        check_floating(data)
        self.kind.check(data)
        if tuple(data.shape[2:]) != self.size:
            raise ValueError(
                f"{self.name} must be of size {self.size}, got {tuple(data.shape[2:])}: build the method for this "
                "size, or resize, cut or pad the data"
            )
        for axis, extent in enumerate(self.whole, start=2):
            data = data.narrow(axis, 0, extent)
        return data


@dataclass(frozen=True, kw_only=True)
class ClipStream(Stream):
    """Clips ``(B, C, T, H, W)`` in cubes; values in [0, 1] are brought to [-1, 1] for the network.

    Attributes:
        num_frames: T.
        image_size: H and W.
        tubelet_size: Frames of a cube.
        patch_size: Height and width of a cube.
        channels: C.
        called: Its name in batches.
        scale: See :class:`Stream`.
        positions: Likewise.
    """

    num_frames: int = 16
    image_size: int = 224
    tubelet_size: int = 2
    patch_size: int = 16
    channels: int = 3
    called: str = "image"
    scale: ScaleLike | None = "half"
    positions: Positions = _SINUSOID

    @property
    def kind(self) -> Kind:
        """See :class:`Stream`."""
        return Kind.clip(self.called, channels=self.channels)

    @property
    def size(self) -> tuple[int, ...]:
        """See :class:`Stream`."""
        return (self.num_frames, self.image_size, self.image_size)

    @property
    def patch(self) -> tuple[int, ...]:
        """See :class:`Stream`."""
        return (self.tubelet_size, self.patch_size, self.patch_size)


@dataclass(frozen=True, kw_only=True)
class SpectrogramStream(Stream):
    """Spectrograms ``(B, C, frames, bands)``, time first.

    Attributes:
        frames: In time; 800 are 8 s of AV-MAE, 1000 are 10 s, the last 8 of which no patch of 16 holds.
        bands: Of frequency.
        patch_size: Frames and bands of a patch.
        channels: C.
        called: Its name in batches.
        scale: See :class:`Stream`; None takes values as they are.
        positions: Likewise.
    """

    frames: int = 1000
    bands: int = 128
    patch_size: int = 16
    channels: int = 1
    called: str = "audio"
    scale: ScaleLike | None = None
    positions: Positions = _SINUSOID

    @property
    def kind(self) -> Kind:
        """See :class:`Stream`."""
        return Kind.spectrogram(self.called, channels=self.channels)

    @property
    def size(self) -> tuple[int, ...]:
        """See :class:`Stream`."""
        return (self.frames, self.bands)

    @property
    def patch(self) -> tuple[int, ...]:
        """See :class:`Stream`."""
        return (self.patch_size, self.patch_size)


@dataclass(frozen=True, kw_only=True)
class DataStream(Stream):
    """Data of any kind: an ECG of twelve channels, a volume, a signal.

    Attributes:
        of: What it is.
        extent: Along each axis.
        patch_size: Of a patch along each axis.
        scale: See :class:`Stream`.
        positions: Likewise.
    """

    of: Kind
    extent: Sequence[int]
    patch_size: Sequence[int]
    scale: ScaleLike | None = None
    positions: Positions = _SINUSOID

    @property
    def kind(self) -> Kind:
        """See :class:`Stream`."""
        return self.of

    @property
    def size(self) -> tuple[int, ...]:
        """See :class:`Stream`."""
        return tuple(self.extent)

    @property
    def patch(self) -> tuple[int, ...]:
        """See :class:`Stream`."""
        return tuple(self.patch_size)
