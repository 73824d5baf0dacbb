"""The two-layer perceptron of a transformer block."""

from __future__ import annotations

from torch import Tensor, nn


class MLP(nn.Module):
    """Linear, activation, linear; keys as timm's ``Mlp``.

    Args:
        dim: Width of what comes in.
        hidden: Width between.
        out: Width of what goes out; None is ``dim``.
        activation: Class of the function between.
    """

    def __init__(self, dim: int, *, hidden: int, out: int | None = None, activation: type[nn.Module] = nn.GELU) -> None:
        super().__init__()
        self.fc1 = nn.Linear(dim, hidden)
        self.act = activation()
        self.fc2 = nn.Linear(hidden, dim if out is None else out)

    def forward(self, x: Tensor) -> Tensor:
        """``(..., dim)`` -> ``(..., out)``."""
        return self.fc2(self.act(self.fc1(x)))
