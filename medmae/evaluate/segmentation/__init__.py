"""Segmentation: scores and tables."""
