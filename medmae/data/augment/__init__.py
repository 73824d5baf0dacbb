"""Augmentation: drawing of parameters apart from applying them."""
