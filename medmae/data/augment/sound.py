"""Augmentation of single cuts of sound where they are read, by what the caller's generator draws.

MAViL and Audio-MAE roll the waveform and change its gain; fine-tuning hides bands and times of the spectrogram
(SpecAugment). Pitch and speed stay as they are: of murmurs and wheezes they are the finding.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class SoundAugment:
    """Of a waveform before the front end, and of a spectrogram behind it.

    Args:
        roll: Whether a cut is begun anywhere and its beginning follows its end; cuts that were not heard throughout
            are left as they are.
        gain: Half width of the gain about 1, drawn as ``1 - gain + 2 gain Beta(10, 10)``; 0.5 in Audio-MAE.
        time_masks: Stretches of time that are filled.
        time_width: Most frames of each.
        band_masks: Stretches of bands that are filled.
        band_width: Most bands of each.
        fill: What they are filled with; None takes the mean of the cut.

    Raises:
        ValueError: If a number is negative, or a gain could be zero.
    """

    roll: bool = False
    gain: float = 0.0
    time_masks: int = 0
    time_width: int = 192
    band_masks: int = 0
    band_width: int = 48
    fill: float | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.gain < 1 or min(self.time_masks, self.time_width, self.band_masks, self.band_width) < 0:
            raise ValueError(f"gain must lie in [0, 1) and masks and widths must be >= 0, got {self}")

    def sound(self, sound: np.ndarray, heard: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """A new waveform ``(T,)``; ``heard`` ``(T,)`` says which of its samples were recorded."""
        if self.roll and heard.all():
            sound = np.roll(sound, int(rng.integers(len(sound))))
        if self.gain:
            sound = sound * np.float32(1 - self.gain + 2 * self.gain * rng.beta(10, 10))
        return sound

    def spectrogram(self, spectrogram: Tensor, rng: np.random.Generator) -> Tensor:
        """A new spectrogram ``(frames, bands)``."""
        fill = float(spectrogram.mean()) if self.fill is None else self.fill
        frames, bands = spectrogram.shape
        if self.time_masks or self.band_masks:
            spectrogram = spectrogram.clone()
        for _ in range(self.time_masks):
            start, end = _stretch(frames, self.time_width, rng)
            spectrogram[start:end] = fill
        for _ in range(self.band_masks):
            start, end = _stretch(bands, self.band_width, rng)
            spectrogram[:, start:end] = fill
        return spectrogram


def _stretch(length: int, most: int, rng: np.random.Generator) -> tuple[int, int]:
    width = int(rng.integers(min(most, length) + 1))
    start = int(rng.integers(length - width + 1))
    return start, start + width
