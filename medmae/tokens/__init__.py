"""Tokenisers: each knows one kind of data, and nothing of masks, networks or losses."""

from medmae.tokens.patches import Patches

__all__ = ["Patches"]
