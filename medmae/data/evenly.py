"""Some of many places, evenly spread."""

from __future__ import annotations

import numpy as np


def evenly(count: int, most: int) -> np.ndarray:
    """At most ``most`` of ``count`` places, evenly from the first to the last; all of them if they fit."""
    return np.linspace(0, count - 1, min(count, most)).round().astype(np.int64)
