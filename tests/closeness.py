"""Whether two computations of one thing agree, on any processor."""

from __future__ import annotations

from torch import Tensor
from torch.testing import assert_close


def assert_close_in_scale(actual: Tensor, expected: Tensor, *, share: float = 3e-5, scale: float | None = None) -> None:
    """Demands that no value is off by more than a share of the scale.

    Processors sum in other orders, and what that changes grows with the values that are summed: a fixed tolerance suits
    numbers around 1 only.

    Args:
        actual: What was computed.
        expected: What it should be.
        share: Of the scale, that values may be off by.
        scale: Size of the values that were summed; by default the largest expected one.
    """
    scale = expected.abs().max().item() if scale is None else scale
    assert_close(actual, expected, rtol=share, atol=share * scale)
