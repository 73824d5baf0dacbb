"""Tiles of a slide at places that another tool chose: coordinates files as CLAM and TRIDENT write them."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from medmae.data.hdf5 import open_hdf5
from medmae.data.slides.resolution import resolve_mpp
from medmae.data.slides.slide_grid import SlideGrid
from medmae.data.slides.wsi import Slide
from medmae.errors import DataError
from medmae.evaluate.features.embedding_cases import EmbeddingCase


class CoordsTiles(Dataset[dict[str, Tensor | int]]):
    """One item a place: ``(3, tile, tile)`` float32 in [0, 1] by ``name``, and ``index``, read from the slide.

    Args:
        slide: The slide.
        coords: Top left corners in level-0 pixels, ``(N, 2)``.
        grid: Size of a tile, there and when stored.
        name: Of the kind of data.
    """

    def __init__(self, *, slide: Slide, coords: np.ndarray, grid: SlideGrid, name: str) -> None:
        self.slide, self.coords, self.grid, self.name = slide, coords, grid, name

    def __len__(self) -> int:
        return len(self.coords)

    def __getitem__(self, index: int) -> dict[str, Tensor | int]:
        x, y = self.coords[index].tolist()
        edge = self.grid.tile
        region = self.slide.read_scaled(level=self.grid.level, box=self.grid.level_box(x, y), size=(edge, edge))
        image = torch.from_numpy(np.array(region.image)).permute(2, 0, 1)  # (3, tile, tile)
        return {self.name: image.float().div_(255), "index": index}


def case_of_slide(
    slide: str | Path,
    coords: str | Path,
    *,
    size: int = 224,
    mpp: float | None = None,
    subject: str | None = None,
    name: str = "image",
) -> EmbeddingCase:
    """A slide and a coordinates file, for :class:`medmae.evaluate.features.embeddings.Embedder`.

    Args:
        slide: Whatever OpenSlide opens.
        coords: HDF5 with ``coords`` ``(N, 2)`` in level-0 pixels. Their attributes tell the size of a tile:
            ``patch_size_level0``, or ``patch_size`` pixels of ``patch_level``.
        size: Edge in pixels to which tiles are resampled: what the encoder takes.
        mpp: Microns a level-0 pixel, where the slide does not say or says it wrong.
        subject: Patient; the name of the slide if none is given.
        name: Of the kind of data that the encoder takes.

    Raises:
        DataError: If either file cannot be read, tiles have no size, or places lie outside the slide.
    """
    opened, path = Slide(slide), Path(coords)
    with open_hdf5(path, reads=("coords",)) as file:
        if "coords" not in file:
            raise _unfit(path, "coords", list(file), "it holds no coords")
        places = file["coords"][()].reshape(-1, 2).astype(np.int64)
        attributes = dict(file["coords"].attrs) or dict(file.attrs)
    grid = _grid(opened, attributes, size=size, mpp=mpp, path=path)
    ends = places + np.array(grid.tile_size)
    # Other tools keep tiles that stand out of the slide by a part; only what starts outside is another slide's.
    if len(places) and ((places < 0).any() or (places >= opened.size).any()):
        raise _unfit(path, "coords", [places.min(axis=0).tolist(), ends.max(axis=0).tolist()], "places lie outside")
    source = hashlib.sha256(f"{opened.path.name} {opened.size} {grid} {places.tolist()}".encode()).hexdigest()
    return EmbeddingCase(
        name=opened.path.stem,
        subject=subject or opened.path.stem,
        samples=CoordsTiles(slide=opened, coords=places, grid=grid, name=name),
        source_sha256=source,
        coords=places,
        grid=grid,
    )


def _grid(slide: Slide, attributes: dict[str, Any], *, size: int, mpp: float | None, path: Path) -> SlideGrid:
    edge = _edge(slide, attributes, path)
    known = resolve_mpp(slide, stated=mpp)[0]
    microns = sum(known) / 2  # tiles of these tools are square in pixels
    overlap = float(np.squeeze(attributes.get("overlap", 0))) / float(np.squeeze(attributes.get("patch_size", size)))
    level = slide.finer(edge / size)
    return SlideGrid(
        slide_size=slide.size,
        mpp=(microns, microns),
        level=level,
        downsample=slide.levels[level].downsample,
        tile=size,
        tile_mpp=edge * microns / size,
        stride=edge * microns * (1 - min(max(overlap, 0.0), 0.99)),
        origin=slide.origin,
    )


def _edge(slide: Slide, attributes: dict[str, Any], path: Path) -> float:
    """Edge of a tile in level-0 pixels."""
    if "patch_size_level0" in attributes:
        return float(np.squeeze(attributes["patch_size_level0"]))
    if "patch_size" not in attributes:
        raise _unfit(path, "attributes of coords", sorted(attributes), "nothing says how large a tile is")
    level = int(np.squeeze(attributes.get("patch_level", 0)))
    if not 0 <= level < len(slide.levels):
        raise _unfit(path, "patch_level", level, f"the slide has {len(slide.levels)} levels")
    return float(np.squeeze(attributes["patch_size"])) * slide.levels[level].downsample[0]


def _unfit(path: Path, field: str, value: object, reason: str) -> DataError:
    return DataError(
        f"these coordinates do not fit the slide: {reason}",
        path=path,
        field=field,
        value=value,
        remedy="give the file that was made for this slide, with level-0 coordinates and the size of a patch",
    )
