"""Prepared data: the manifest, the grid that travels with a sample, and data sets over memory-mapped shards."""

from typing import TYPE_CHECKING, Any

from medmae.data.grid import Grid
from medmae.data.intensity import Normalisation
from medmae.data.manifest import Manifest

if TYPE_CHECKING:
    from medmae.data.crops import CropDataset
    from medmae.data.slices import SliceDataset

__all__ = ["CropDataset", "Grid", "Manifest", "Normalisation", "SliceDataset"]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - the data sets need torch, which preparing data does not load
    if name == "CropDataset":
        from medmae.data.crops import CropDataset

        return CropDataset
    if name == "SliceDataset":
        from medmae.data.slices import SliceDataset

        return SliceDataset
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
