"""Intensities to [0, 1] and back: percentiles over the foreground, as Edge-MAE does (Li et al., TMI 2023)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

Rule = Literal["auto", "corner", "otsu"]
PERCENTILES = (0.2, 99.8)
# A head fills 30 to 50 % of its field of view and a brain about half of its box. Where less than this share equals the
# corner voxel, the air around the head is noise rather than one value.
_CLEAN_BACKGROUND = 0.25


@dataclass(frozen=True, kw_only=True)
class Normalisation:
    """The numbers that map a volume to [0, 1]; inverted by :meth:`invert`, up to the clip.

    ``stored = (clip(volume, lower, upper) - background) / maximum``, and exactly 0 where ``volume == background``.

    Args:
        lower: Clip from below.
        upper: Clip from above.
        maximum: Largest value after clip and subtraction; 1 for a constant volume.
        background: The value of background voxels.
        rule: How foreground was found: ``corner`` (differs from voxel (0, 0, 0), the reference's rule) or ``otsu``
            (above ``threshold``, for heads in noisy air).
        threshold: Foreground is above it (``otsu`` only).
    """

    lower: float
    upper: float
    maximum: float
    background: float
    rule: str = "corner"
    threshold: float | None = None

    @classmethod
    def fit(cls, volume: np.ndarray, *, rule: Rule = "auto") -> Normalisation:
        """Measures a volume.

        ``corner``: background is every voxel equal to voxel (0, 0, 0); the 0.2 and 99.8 percentiles are taken over
        the rest. ``otsu``: nothing is background; the upper percentile is taken over voxels above Otsu's threshold and
        the smallest value maps to 0. ``auto``: ``corner`` where at least a quarter of the voxels equals the corner and
        they are darker than the tissue; ``otsu`` otherwise.

        Args:
            volume: Finite values in the source's orientation, any shape.
            rule: See above.
        """
        if rule not in ("auto", "corner", "otsu"):
            raise ValueError(f"rule must be auto, corner or otsu, got {rule!r}")
        corner = float(volume.flat[0])
        rest = volume[volume != corner]
        if rest.size == 0:
            return cls(lower=corner, upper=corner, maximum=1.0, background=corner)
        clean = rest.size <= (1 - _CLEAN_BACKGROUND) * volume.size and corner <= float(np.median(rest))
        if rule == "corner" or (rule == "auto" and clean):
            return cls._fitted(rest, background=corner, rule="corner", threshold=None)
        threshold = _otsu(volume)
        return cls._fitted(volume[volume > threshold], background=float(volume.min()), rule="otsu", threshold=threshold)

    @classmethod
    def _fitted(cls, values: np.ndarray, *, background: float, rule: str, threshold: float | None) -> Normalisation:
        low, upper = (float(v) for v in np.percentile(values, PERCENTILES))
        # Interpolation undershoot can put the lower percentile below the background: the range starts at 0 still.
        lower = background if rule == "otsu" else max(low, background)
        largest = min(float(values.max()), upper) - background
        return cls(
            lower=lower,
            upper=max(upper, lower),
            maximum=largest if largest > 0 else 1.0,
            background=background,
            rule=rule,
            threshold=threshold,
        )

    @property
    def constant(self) -> bool:
        """Whether the volume had one value only, so that nothing can be learnt from it."""
        return self.upper <= self.lower

    def apply(self, volume: np.ndarray) -> np.ndarray:
        """Volume to float32 in [0, 1]; background voxels are exactly 0, the largest is exactly 1."""
        values = volume.astype(np.float32)
        scaled = (np.clip(values, self.lower, self.upper) - np.float32(self.background)) / np.float32(self.maximum)
        scaled[volume == self.background] = 0
        return np.clip(scaled, 0, 1, out=scaled)

    def invert(self, stored: np.ndarray) -> np.ndarray:
        """[0, 1] back to the source's intensities, float32: exact but for its last bit, and for what was clipped."""
        return (stored.astype(np.float64) * self.maximum + self.background).astype(np.float32)

    def foreground(self, volume: np.ndarray) -> np.ndarray:
        """Which voxels are head rather than air, bool."""
        return volume > self.threshold if self.threshold is not None else volume != self.background

    def to_dict(self) -> dict[str, Any]:
        """As the manifest holds it."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Normalisation:
        """The inverse of :meth:`to_dict`."""
        return cls(**values)


def _otsu(volume: np.ndarray) -> float:
    from skimage.filters import threshold_otsu

    # Bright fat or vessels stretch the histogram until air and tissue share a bin: cut them off first.
    return float(threshold_otsu(np.minimum(volume, np.percentile(volume, 99.0)).astype(np.float32)))
