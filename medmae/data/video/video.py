"""A video that is read from its first frame to its last, whatever holds it: what every reader gives, and its rules."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from medmae.data.video.joined import parts_joined
from medmae.errors import DataError

LIMIT_PIXELS = 2**26  # of one frame, 8192 x 8192: more is a bomb or a slide
_COPY = "copy or export it again"
_SAME_SHAPE = 0.02  # relative difference of width over height up to which a new size is the same picture


@dataclass(frozen=True)
class Frame:
    """One frame as a player shows it.

    Args:
        pixels: uint8 ``(H, W, C)``, C = 1 (grey) or 3 (RGB).
        time: Seconds on the clock of the file, or None where it has none.
    """

    pixels: np.ndarray
    time: float | None


class Video(ABC):
    """One pass over a video; what is known of the whole of it stands in the attributes when the pass has ended.

    Args:
        path: File or folder.
        short_side: Frames whose shorter side is larger are reduced to it (bilinear, antialiased); None leaves them.

    Attributes:
        container: What holds the frames, such as ``mov,mp4`` or ``DICOM``.
        codec: How they are coded.
        stated_rate: Frames a second that the header states, if it is plausible.
        declared: Number of frames that the header states, if it does.
        flags: What a user should know, such as ``rotated:90``; see docs/data.md.
        damage: Why reading ended before the end of the video; None if it did not.
        aspect: Width over height of a pixel.
        regions: Boxes (left, top, right, bottom) of ultrasound regions, in pixels of the file.
    """

    def __init__(self, path: Path, *, short_side: int | None = None) -> None:
        self.path, self.short_side = path, short_side
        self.container = self.codec = ""
        self.stated_rate: float | None = None
        self.declared: int | None = None
        self.flags: list[str] = []
        self.damage: str | None = None
        self.aspect = 1.0
        self.regions: list[tuple[int, int, int, int]] = []
        self._orientation = _UPRIGHT
        self._digest = hashlib.sha256()
        self._first: tuple[int, ...] | None = None
        self._resized = 0

    @abstractmethod
    def _decoded(self) -> Iterator[tuple[np.ndarray, float | None]]:
        """Frames as they are stored, uint8 ``(H, W, C)``, and their times."""

    def __iter__(self) -> Iterator[Frame]:
        """Frames in the order in which they are shown.

        Raises:
            DataError: If the file cannot be read at all, its frames change their shape, or are larger than the limit.
        """
        for pixels, time in self._guarded():
            if self._first is None:
                self._first = pixels.shape
            same = self._one_size(pixels)
            self._digest.update(repr(pixels.shape).encode())
            self._digest.update(np.ascontiguousarray(pixels).data)
            yield Frame(self._shown(same), time)
        if self._resized:
            self.flag(f"size_changes:{self._resized}")
        if self.path.is_file() and (parts := parts_joined(self.path)) > 1:
            self.flag(f"joined_files:{parts}")

    def _guarded(self) -> Iterator[tuple[np.ndarray, float | None]]:
        """The boundary to libraries: whatever they raise about a damaged file is told as its damage."""
        number = 0
        try:
            for frame in self._decoded():
                yield frame
                number += 1
        except (DataError, ModuleNotFoundError, AssertionError):
            raise
        except Exception as error:
            reason = f"{type(error).__name__}: {(str(error).splitlines() or [''])[0][:200]}"
            if not number:
                raise DataError(f"it cannot be read ({reason})", path=self.path, remedy=_COPY) from error
            self.damage = f"damaged after {number} frames: {reason}"

    @property
    def content_sha256(self) -> str:
        """Of all frames read so far, as they were decoded: equal in copies of other names and containers."""
        return self._digest.hexdigest()

    def flag(self, text: str) -> None:
        """Notes something once."""
        if text not in self.flags:
            self.flags.append(text)

    def orient(self, orientation: Orientation) -> None:
        """Says how the stored frames are to be turned; the first call counts."""
        if self._orientation == _UPRIGHT:
            self._orientation = orientation

    def check_pixels(self, width: int, height: int) -> None:
        """Refuses frames over the limit before they are decoded.

        Raises:
            DataError: With their size.
        """
        if width * height > LIMIT_PIXELS:
            raise DataError(
                "a frame is larger than the limit of 8192 x 8192 pixels",
                path=self.path,
                field="size",
                value=(width, height),
                remedy="reduce the video first",
            )

    def _one_size(self, pixels: np.ndarray) -> np.ndarray:
        assert self._first is not None
        if pixels.shape == self._first:
            return pixels
        H, W, C = self._first
        h, w, c = pixels.shape
        if c != C or abs(w * H / (h * W) - 1) > _SAME_SHAPE:
            raise DataError(
                "frames change their shape or colours midway",
                path=self.path,
                field="height, width, channels",
                value=(self._first, pixels.shape),
                remedy="cut the video there, or keep the frames of one kind in a folder of their own",
            )
        self._resized += 1
        return resize(pixels, H, W)

    def _shown(self, pixels: np.ndarray) -> np.ndarray:
        """Square pixels, upright, reduced."""
        H, W = pixels.shape[:2]
        height, width = float(H), W * self.aspect
        shrink = 1.0 if self.short_side is None else min(1.0, self.short_side / min(height, width))
        pixels = resize(pixels, max(1, round(height * shrink)), max(1, round(width * shrink)))
        return self._orientation.apply(pixels)


@dataclass(frozen=True)
class Orientation:
    """How stored rows and columns are laid out to be seen: transposed first, then flipped.

    >>> Orientation(transpose=True, left_right=True).apply(np.array([[1, 2], [3, 4]]))
    array([[3, 1],
           [4, 2]])
    """

    transpose: bool = False
    up_down: bool = False
    left_right: bool = False

    def apply(self, pixels: np.ndarray) -> np.ndarray:
        """A frame ``(H, W, ...)`` as it is to be seen."""
        if self.transpose:
            pixels = pixels.swapaxes(0, 1)
        if self.up_down:
            pixels = pixels[::-1]
        if self.left_right:
            pixels = pixels[:, ::-1]
        return np.ascontiguousarray(pixels)


_UPRIGHT = Orientation()


def resize(pixels: np.ndarray, height: int, width: int) -> np.ndarray:
    """uint8 ``(H, W, C)`` to another size: bilinear, antialiased where it shrinks; the same array if it has it."""
    if pixels.shape[:2] == (height, width):
        return pixels
    image = Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
    found = np.asarray(image.resize((width, height), Image.Resampling.BILINEAR))
    return found.reshape(height, width, pixels.shape[2])
