"""From what a hospital has on disk to a prepared data set; one module a source of data."""
