"""More than 8 bits to 8: by one span for all of a clip, so that its brightness does not flicker."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

Span = tuple[float, float]


def span_of(arrays: Iterable[np.ndarray]) -> Span:
    """Least and greatest finite value of some arrays."""
    low, high = np.inf, -np.inf
    for array in arrays:
        finite = array if array.dtype.kind in "iub" else array[np.isfinite(array)]
        if finite.size:
            low, high = min(low, float(finite.min())), max(high, float(finite.max()))
    return (low, high) if low <= high else (0.0, 0.0)


def to_bytes(values: np.ndarray, span: Span) -> np.ndarray:
    """Values of a span to 0 ... 255, what lies beyond is cut; 0 where the span is empty or a value is NaN."""
    low, high = span
    if high <= low:
        return np.zeros(values.shape, dtype=np.uint8)
    scaled = (values.astype(np.float32) - low) * (255 / (high - low))
    return np.nan_to_num(scaled.clip(0, 255).round()).astype(np.uint8)
