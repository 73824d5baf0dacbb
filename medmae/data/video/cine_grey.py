"""Grey values of DICOM to 8 bits: rescaled, windowed, and turned over, as the file says."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from medmae.data.video.deep import Span, span_of, to_bytes


@dataclass(frozen=True, kw_only=True)
class Grey:
    """What grey values mean.

    Args:
        slope: Of the rescaling.
        intercept: Of the rescaling.
        span: Rescaled values that are shown black, and white; None leaves 8-bit values as they are.
        inverted: Whether the greatest value is black (MONOCHROME1).
        deep: Whether the values have more than 8 bits, or a sign.
        needs_span: Whether the values are so, and no window says which of them matter.
    """

    slope: float
    intercept: float
    span: Span | None
    inverted: bool
    deep: bool
    needs_span: bool

    @classmethod
    def of(cls, data: Any, flag: Callable[[str], None]) -> Grey:  # noqa: ANN401 - pydicom is untyped
        """As a dataset says; its first window counts."""
        centre, width = (_first(data.get(name)) for name in ("WindowCenter", "WindowWidth"))
        span = None
        if centre is not None and width is not None and width > 0:
            span = (centre - width / 2, centre + width / 2)
            flag(f"window:{centre:g},{width:g}")
        grey = data.PhotometricInterpretation.startswith("MONOCHROME")
        deep = grey and (int(data.get("BitsStored", 8)) > 8 or int(data.get("PixelRepresentation", 0)) == 1)
        slope, intercept = _first(data.get("RescaleSlope")), _first(data.get("RescaleIntercept"))
        return cls(
            slope=1.0 if slope is None else slope,
            intercept=0.0 if intercept is None else intercept,
            span=span,
            inverted=data.PhotometricInterpretation == "MONOCHROME1",
            deep=deep,
            needs_span=deep and span is None,
        )

    def of_gdcm(self) -> Grey:
        """The same for values that are rescaled already; MONOCHROME1 is turned over, but its window is not."""
        span = None if self.inverted else self.span
        needs_span = self.needs_span or (self.inverted and self.deep)
        return replace(self, slope=1.0, intercept=0.0, inverted=False, span=span, needs_span=needs_span)

    def spanning(self, frames: Iterable[np.ndarray], flag: Callable[[str], None]) -> Grey:
        """The same with the span of all frames."""
        low, high = span_of(frames)
        span = (low * self.slope + self.intercept, high * self.slope + self.intercept)
        flag(f"scaled:{span[0]:g}..{span[1]:g}")
        return replace(self, span=(min(span), max(span)), needs_span=False)

    def apply(self, values: np.ndarray) -> np.ndarray:
        """Stored values ``(H, W, 1)`` to uint8."""
        if self.span is None:
            shown = values.astype(np.uint8)
        else:
            shown = to_bytes(values.astype(np.float32) * self.slope + self.intercept, self.span)
        return 255 - shown if self.inverted else shown


def _first(value: object) -> float | None:
    """The first of one or several numbers."""
    try:
        return float(value[0] if hasattr(value, "__getitem__") and not isinstance(value, str) else value)  # type: ignore[arg-type]
    except (TypeError, ValueError, IndexError):
        return None
