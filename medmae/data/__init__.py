"""Prepared data: the manifest, the grid that travels with a sample, and data sets over memory-mapped shards."""

import importlib
from typing import TYPE_CHECKING, Any

from medmae.data.grid import Grid
from medmae.data.intensity import Normalisation
from medmae.data.manifest import Manifest

if TYPE_CHECKING:
    from medmae.data.crops import CropDataset
    from medmae.data.image_dataset import ImageDataset
    from medmae.data.slices import SliceDataset
    from medmae.data.tiles import TileDataset

__all__ = ["CropDataset", "Grid", "ImageDataset", "Manifest", "Normalisation", "SliceDataset", "TileDataset"]

_DATA_SETS = {  # name -> module
    "CropDataset": "crops",
    "ImageDataset": "image_dataset",
    "SliceDataset": "slices",
    "TileDataset": "tiles",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - the data sets need torch, which preparing data does not load
    if name in _DATA_SETS:
        return getattr(importlib.import_module(f"medmae.data.{_DATA_SETS[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
