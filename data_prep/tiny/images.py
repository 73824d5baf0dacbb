"""Grey images of two classes from ten patients, in class folders: blobs, and stripes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter

_PATIENTS, _EACH = 10, 2  # images a class and patient


def picture(*, striped: bool, seed: int = 0, size: tuple[int, int] = (48, 40)) -> np.ndarray:
    """Smooth noise, with or without stripes: uint8 ``(H, W)``."""
    rng = np.random.default_rng(seed)
    blobs = gaussian_filter(rng.standard_normal(size), 4)
    stripes = np.sin(np.arange(size[1]) * 0.9 + rng.uniform(0, 6))[None] * striped
    values = blobs / np.abs(blobs).max() + stripes
    return ((values - values.min()) / np.ptp(values) * 255).astype(np.uint8)


def make(folder: Path) -> tuple[Path, Path]:
    """The images, twice: they are read as they are, without preparation; see :func:`data_prep.tiny.make`."""
    raw = folder / "raw"
    for label in ("blobs", "stripes"):
        (raw / label).mkdir(parents=True)
        for patient in range(_PATIENTS):
            for number in range(_EACH):
                pixels = picture(striped=label == "stripes", seed=100 * patient + number)
                Image.fromarray(pixels).save(raw / label / f"p{patient}_{number}.png")
    return raw, raw
