"""Slides of made-up tissue: tiled pyramidal TIFF with microns a pixel, as OpenSlide reads it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tifffile
from PIL import Image
from scipy.ndimage import gaussian_filter

_GLASS = (243, 242, 245)
_STROMA, _NUCLEI = (226, 150, 186), (98, 62, 140)  # about what eosin and haematoxylin leave of white light


def picture(width: int, height: int, *, seed: int = 0, tissue: bool = True) -> np.ndarray:
    """A blob of pink tissue with purple nuclei on glass: uint8 ``(height, width, 3)``."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(0, 2, (height, width, 1))
    if not tissue:
        return (np.full((height, width, 3), _GLASS) + noise).clip(0, 255).astype(np.uint8)
    y, x = np.meshgrid(np.linspace(-1, 1, height), np.linspace(-1, 1, width), indexing="ij")
    shape = gaussian_filter(rng.standard_normal((height, width)), min(width, height) / 12)
    inside = ((x / 0.8) ** 2 + (y / 0.8) ** 2 + shape / np.abs(shape).max() / 3 < 1)[..., None]
    cells = (gaussian_filter(rng.standard_normal((height, width)), 2) > 0.18)[..., None]
    pixels = np.where(inside, np.where(cells, _NUCLEI, _STROMA), _GLASS)
    return (pixels + 3 * noise).clip(0, 255).astype(np.uint8)


def write_pyramid(
    path: Path,
    pixels: np.ndarray,
    *,
    mpp: float | None = 0.5,
    tile: int = 64,
    levels: int = 3,
    compression: str = "zlib",
    photometric: str = "rgb",
) -> Path:
    """Writes a tiled TIFF, each level half as large as the one before.

    Args:
        path: ``.tif``.
        pixels: uint8 ``(H, W, 3)``, level 0.
        mpp: Microns a level-0 pixel; None leaves it out.
        tile: Edge of the file's own tiles, a multiple of 16.
        levels: How many.
        compression: tifffile's name of it.
        photometric: ``rgb`` or ``ycbcr``.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with tifffile.TiffWriter(path) as writer:
        for level in range(levels):
            per_cm = None if mpp is None else 1e4 / mpp / 2**level
            writer.write(
                pixels,
                tile=(tile, tile),
                compression=compression,
                subfiletype=int(level > 0),
                metadata=None,
                photometric=photometric,
                subsampling=(2, 2) if photometric == "ycbcr" else None,
                resolution=None if per_cm is None else (per_cm, per_cm),
                resolutionunit="CENTIMETER",
            )
            pixels = np.asarray(Image.fromarray(pixels).reduce(2))
    return path


def make(folder: Path) -> tuple[Path, Path]:
    """The prepared data set and the raw files of three slides; see :func:`data_prep.tiny.make`."""
    from data_prep.wsi import prepare

    for number in range(3):
        write_pyramid(folder / "raw" / f"patient-{number}.tif", picture(420, 340, seed=number))
    prepare(source=folder / "raw", out=folder / "prepared", subject_from=".*", tile=64, mpp=0.5, workers=0)
    return folder / "prepared", folder / "raw"
