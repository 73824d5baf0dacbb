"""Tiles of two classes from six patients, in class folders."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from data_prep.tiny.wsi import picture

_PATIENTS, _EACH = 6, 2  # tiles a class and patient


def make(folder: Path) -> tuple[Path, Path]:
    """The prepared data set and the raw files; see :func:`data_prep.tiny.make`."""
    from data_prep.tiles import prepare

    for shift, label in enumerate(("STR", "TUM")):
        (folder / "raw" / label).mkdir(parents=True)
        for patient in range(_PATIENTS):
            for number in range(_EACH):
                pixels = picture(64, 64, seed=100 * patient + 10 * shift + number)
                bluer = np.roll(pixels, shift, axis=2)  # so that the classes can be told apart
                Image.fromarray(bluer).save(folder / "raw" / label / f"p{patient}_{number}.png")
    prepare(source=folder / "raw", out=folder / "prepared", subject_from=r"^(p\d)_", mpp=0.5, workers=0)
    return folder / "prepared", folder / "raw"
