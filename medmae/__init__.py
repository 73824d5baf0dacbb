"""Masked-autoencoder self-supervised learning for everything a hospital records."""

__version__ = "0.1.0"
