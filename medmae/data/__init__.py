"""Prepared data: the manifest, the grid that travels with a sample, and data sets over memory-mapped shards."""

import importlib
from typing import TYPE_CHECKING, Any

from medmae.data.manifest import Manifest
from medmae.data.volumes.grid import Grid
from medmae.data.volumes.intensity import Normalisation

if TYPE_CHECKING:
    from medmae.data.images.dataset import ImageDataset
    from medmae.data.slides.tiles import TileDataset
    from medmae.data.volumes.crops import CropDataset
    from medmae.data.volumes.slices import SliceDataset

__all__ = ["CropDataset", "Grid", "ImageDataset", "Manifest", "Normalisation", "SliceDataset", "TileDataset"]

_DATA_SETS = {  # name -> module
    "CropDataset": "volumes.crops",
    "ImageDataset": "images.dataset",
    "SliceDataset": "volumes.slices",
    "TileDataset": "slides.tiles",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - the data sets need torch, which preparing data does not load
    if name in _DATA_SETS:
        return getattr(importlib.import_module(f"medmae.data.{_DATA_SETS[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
