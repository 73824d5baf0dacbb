"""Shapes: surfaces and clouds of points, from files of meshes and points or from segmentations."""
