"""Intensities to [0, 1] and back: percentiles over the foreground, as Edge-MAE does (Li et al., TMI 2023)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

Rule = Literal["auto", "corner", "otsu"]
PERCENTILES = (0.2, 99.8)
LEVELS = 256  # grey levels below which a stored image is flagged
CLIPPED = 0.01  # share of the foreground
# A head fills 30 to 50 % of its field of view and a brain about half of its box. Where less than this share equals the
# corner voxel, the air around the head is noise rather than one value.
_CLEAN_BACKGROUND = 0.25
_ALONE = 20  # times, by which the value of a background is more frequent than any value of noise
_PLAIN_BORDER = 0.9  # share of the volume's border that has one value, where the corner has another
_BELOW = 0.05  # share of the foreground below the value of the background from which that lies among the tissue's


@dataclass(frozen=True, kw_only=True)
class Normalisation:
    """The numbers that map a volume to [0, 1]; inverted by :meth:`invert`, up to the clip.

    ``stored = (clip(volume, lower, upper) - zero) / maximum``, and exactly 0 in the background.

    Args:
        lower: Clip from below.
        upper: Clip from above.
        maximum: Largest value after clip and subtraction; 1 for a constant volume.
        background: The value of background voxels.
        rule: How foreground was found: ``corner`` (differs from voxel (0, 0, 0), the reference's rule) or ``otsu``
            (above ``threshold``, for heads in noisy air).
        threshold: Foreground is above it (``otsu`` only).
        darkest: What 0 stands for in the foreground, where that is not the background's value: the background of a
            z-scored volume lies among its tissue's values, and a fill value such as -1024 far below them.
        unit: ``HU`` where ``lower`` and ``upper`` are a declared window of CT and not measured, see
            :class:`medmae.data.volumes.hounsfield.CTWindow`.
    """

    lower: float
    upper: float
    maximum: float
    background: float
    rule: str = "corner"
    threshold: float | None = None
    darkest: float | None = None
    unit: str | None = None

    @classmethod
    def fit(cls, volume: np.ndarray, *, rule: Rule = "auto") -> Normalisation:
        """Measures a volume.

        ``corner``: background is every voxel equal to voxel (0, 0, 0), or to the one value of the volume's border; the
        0.2 and 99.8 percentiles are taken over the rest. Where that value lies among the rest's, only what hangs
        together with the border is background. ``otsu``: nothing is background; the upper percentile is taken over
        voxels above Otsu's threshold and the smallest value maps to 0. ``auto``: ``corner`` where at least a quarter
        of the voxels has the background's value and that is no brighter than the tissue, or where that value lies among
        the tissue's and no other is nearly as frequent; ``otsu`` otherwise.

        Args:
            volume: Finite values in the source's orientation, any shape.
            rule: See above.
        """
        if rule not in ("auto", "corner", "otsu"):
            raise ValueError(f"rule must be auto, corner or otsu, got {rule!r}")
        value = border_value(volume)
        rest = volume[volume != value]
        if rest.size == 0:
            return cls(lower=value, upper=value, maximum=1.0, background=value)
        low, high = (float(v) for v in np.percentile(rest, PERCENTILES))
        among = float(np.mean(rest < value)) > _BELOW and value < high
        clean = rest.size <= (1 - _CLEAN_BACKGROUND) * volume.size and (among or value <= float(np.median(rest)))
        clean = clean or (among and _alone(rest, volume.size - rest.size))
        if rule == "corner" or (rule == "auto" and clean):
            far = (
                value < 0 and low - value > high - low
            )  # a fill value; 0 is the scanner's own, however bright the tissue
            if among or far:  # the background's value would hide tissue, or use up the range
                width = min(float(rest.max()), high) - low
                return cls(lower=low, upper=high, maximum=width if width > 0 else 1.0, background=value, darkest=low)
            return cls._fitted(rest, background=value, rule="corner", threshold=None)
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
    def zero(self) -> float:
        """The foreground's intensity that is stored as 0."""
        return self.background if self.darkest is None else self.darkest

    @property
    def constant(self) -> bool:
        """Whether the volume had one value only, so that nothing can be learnt from it."""
        return self.upper <= self.lower

    def apply(self, volume: np.ndarray) -> np.ndarray:
        """Volume to float32 in [0, 1]; background voxels are exactly 0, the largest is exactly 1."""
        scaled = self._scaled(volume)
        scaled[self._is_background(volume)] = 0
        return scaled

    def invert(self, stored: np.ndarray) -> np.ndarray:
        """[0, 1] back to the source's intensities, float32: exact but for its last bit, and for what was clipped."""
        back = (stored.astype(np.float64) * self.maximum + self.zero).astype(np.float32)
        if self.darkest is not None:
            back[stored == 0] = self.background
        return back

    def foreground(self, volume: np.ndarray) -> np.ndarray:
        """Which voxels are head rather than air, bool."""
        return volume > self.threshold if self.threshold is not None else ~self._is_background(volume)

    def flags(self, volume: np.ndarray, *, dtype: str = "float32") -> list[str]:
        """What is lost of a volume, if it is more than a user should not know.

        Args:
            volume: What was measured.
            dtype: In which values are stored.

        Returns:
            ``constant``, also of a volume that lies on one side of its window; ``clipped:SHARE`` of the foreground if
            above 1 %, unless a window was declared; ``few_levels:N`` if fewer than 256 grey levels, and fewer than half
            of the volume's, are left.
        """
        if self.constant:
            return ["constant"]
        inside = volume[self.foreground(volume)]
        if not inside.size:
            return ["constant"]
        clipped = int(((inside < self.lower) | (inside > self.upper)).sum())
        levels = len(np.unique(self._scaled(inside).astype(dtype)))
        if self.unit is not None and levels < 2:
            return ["constant"]
        lost = self.unit is None and clipped > max(CLIPPED * inside.size, 2)
        flags = [f"clipped:{clipped / inside.size:.3f}"] if lost else []
        few = levels < LEVELS and levels < len(np.unique(inside.clip(self.lower, self.upper))) / 2
        return [*flags, *([f"few_levels:{levels}"] if few else [])]

    def _scaled(self, values: np.ndarray) -> np.ndarray:
        values = np.clip(values.astype(np.float32), self.lower, self.upper)
        return ((values - np.float32(self.zero)) / np.float32(self.maximum)).clip(0, 1)

    def _is_background(self, volume: np.ndarray) -> np.ndarray:
        same = volume == self.background
        if self.darkest is None or self.background < self.darkest or volume.ndim != 3:
            return same
        from scipy.ndimage import label

        # Tissue may have the background's value: only what reaches the border is background.
        parts, _ = label(same)
        return same & np.isin(parts, np.unique(np.concatenate([face.ravel() for face in _faces(parts)])))

    def to_dict(self) -> dict[str, Any]:
        """As the manifest holds it."""
        later = ("darkest", "unit")  # that older readers do not know
        return {name: value for name, value in asdict(self).items() if name not in later or value is not None}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Normalisation:
        """The inverse of :meth:`to_dict`."""
        return cls(**values)


def _alone(rest: np.ndarray, count: int) -> bool:
    """Whether a value of ``count`` voxels is far more frequent than any of the rest's: set by hand, and no noise."""
    return count > _ALONE * int(np.unique(rest, return_counts=True)[1].max())


def _otsu(volume: np.ndarray) -> float:
    from skimage.filters import threshold_otsu

    # Bright fat or vessels stretch the histogram until air and tissue share a bin: cut them off first.
    return float(threshold_otsu(np.minimum(volume, np.percentile(volume, 99.0)).astype(np.float32)))


def _faces(volume: np.ndarray) -> list[np.ndarray]:
    """First and last slice of each axis."""
    return [volume.take(place, axis=axis) for axis in range(volume.ndim) for place in (0, -1)]


def border_value(volume: np.ndarray) -> float:
    """The value of voxel (0, 0, 0), unless nearly all of the border has another one."""
    corner = float(volume.flat[0])
    border = np.concatenate([face.ravel() for face in _faces(volume)])
    if np.mean(border == corner) >= 1 - _PLAIN_BORDER:
        return corner
    values, counts = np.unique(border, return_counts=True)
    place = int(counts.argmax())
    return float(values[place]) if counts[place] > _PLAIN_BORDER * border.size else corner
