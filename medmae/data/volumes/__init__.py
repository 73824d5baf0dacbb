"""Volumes: NIfTI and DICOM in, grids, intensities, and data sets of slices and crops."""
