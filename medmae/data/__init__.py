"""Prepared data: the manifest, the grid that travels with a sample, and data sets over memory-mapped shards."""

from medmae.data.crops import CropDataset
from medmae.data.grid import Grid
from medmae.data.intensity import Normalisation
from medmae.data.manifest import Manifest
from medmae.data.slices import SliceDataset

__all__ = ["CropDataset", "Grid", "Manifest", "Normalisation", "SliceDataset"]
