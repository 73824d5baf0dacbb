"""Slides of tissue: reading, grids of tiles, data sets of tiles."""
