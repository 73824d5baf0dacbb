"""Reconstruction of hidden patches: errors, baselines, pictures."""
