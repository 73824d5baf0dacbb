"""What never moves in a video: black borders, burnt-in text and scales, the surround of an ultrasound sector."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import binary_closing, binary_fill_holes, binary_opening

_NOISE = 8  # grey levels that coding adds to a still pixel
_BLACK = 24
_OVERLAY = 0.002  # share of still and bright pixels from which text or a scale is likely
_FROZEN = 0.02  # share of moving pixels up to which nothing moves


class StaticParts:
    """The least and the greatest value of each pixel over the frames of a video.

    Args:
        low: uint8 ``(H, W, C)``.
        high: The same.
    """

    def __init__(self, low: np.ndarray, high: np.ndarray) -> None:
        self._low, self._high = low, high
        self._moving: np.ndarray | None = None

    @classmethod
    def start(cls, frame: np.ndarray) -> StaticParts:
        """Of the first frame."""
        return cls(frame.copy(), frame.copy())

    def see(self, frame: np.ndarray) -> None:
        """Takes one more frame in."""
        np.minimum(self._low, frame, out=self._low)
        np.maximum(self._high, frame, out=self._high)
        self._moving = None

    def moving(self) -> np.ndarray:
        """Where something moves, as whole areas without specks and holes: bool ``(H, W)``."""
        if self._moving is None:
            raw = (self._high.astype(np.int16) - self._low > _NOISE).any(axis=-1)
            size = max(2, min(raw.shape) // 32)
            square = np.ones((size, size), dtype=bool)
            padded = np.pad(binary_opening(raw, np.ones((2, 2), dtype=bool)), 2 * size)
            closed = binary_fill_holes(binary_closing(padded, square))
            opened = binary_opening(closed, square)
            self._moving = opened[2 * size : -2 * size, 2 * size : -2 * size]
        return self._moving

    @property
    def constant(self) -> bool:
        """Whether all pixels of all frames have one value."""
        return bool((self._low == self._low.flat[0]).all() and (self._high == self._low.flat[0]).all())

    @property
    def frozen(self) -> bool:
        """Whether next to nothing moves."""
        return float(self.moving().mean()) <= _FROZEN

    def box(self) -> tuple[int, int, int, int]:
        """Top, left, bottom, right (exclusive) of what moves; the whole frame if nothing does."""
        H, W = self._low.shape[:2]
        if self.frozen:
            return 0, 0, H, W
        rows, columns = np.flatnonzero(self.moving().any(axis=1)), np.flatnonzero(self.moving().any(axis=0))
        return int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1

    def mask(self) -> np.ndarray:
        """What is not moving: bool ``(H, W)``."""
        return ~self.moving()

    def share(self) -> float:
        """Share of a frame in which nothing moves."""
        return round(float(1 - self.moving().mean()), 4)

    def flags(self) -> list[str]:
        """``constant``, ``frozen``, ``static_overlay:<share of still, bright pixels>``."""
        if self.constant:
            return ["constant"]
        if self.frozen:
            return ["frozen"]
        bright = self.mask() & (self._high.max(axis=-1) > _BLACK)
        return [f"static_overlay:{bright.mean():.3f}"] if bright.mean() > _OVERLAY else []
