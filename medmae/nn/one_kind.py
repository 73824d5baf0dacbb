"""A network of several kinds of data that is given but one of them: a plain network, one tensor in."""

from __future__ import annotations

from torch import Tensor, nn

from medmae.nn.config import Configured
from medmae.nn.side_by_side import SideBySide


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


class OneEncoder(Configured, nn.Module):
    """One of the encoders that stand side by side, by itself: no weight of another kind.

    Args:
        encoder: Of several kinds.
        kind: Name of the one that is read.

    Raises:
        ValueError: If there is none of this name.
    """

    def __init__(self, *, encoder: SideBySide, kind: str) -> None:
        super().__init__()
        if kind not in encoder.of:
            raise ValueError(f"the encoders take {', '.join(encoder.of)}, and not {kind!r}")
        self.part = encoder.of[kind]

    def forward(self, data: Tensor) -> Tensor:
        """``(B, C, *size)`` in its own units -> ``(B, D)``."""
        return self.part.features(data)
