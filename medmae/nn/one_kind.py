"""A network of several kinds of data that is given but one of them: a plain network, one tensor in."""

from __future__ import annotations

from torch import Tensor, nn

from medmae.nn.config import Configured


class OneKind(Configured, nn.Module):
    """What a network says of one kind of data alone.

    Args:
        network: Takes data by name; left in place.
        kind: What this one is given.
    """

    def __init__(self, *, network: nn.Module, kind: str) -> None:
        super().__init__()
        self.network, self.kind = network, kind

    def forward(self, data: Tensor) -> Tensor:
        """``(B, C, *size)`` in its own units -> ``(B, K)``."""
        return self.network({self.kind: data})
