"""Positions of tokens that stand on no grid: from their coordinates (Point-MAE, MAE3D)."""

from __future__ import annotations

from torch import Tensor, nn

from medmae.nn.mlp import MLP


class CoordinateEmbedding(nn.Module):
    """An MLP from the centre of a token to its position; it has no table, so that any number of tokens is right.

    Args:
        dim: D.
        num_axes: A, coordinates of a centre.
        hidden: Width between: 128 in Point-MAE, 1024 in MAE3D.
        activation: GELU in Point-MAE, ReLU in MAE3D.
    """

    def __init__(
        self, *, dim: int, num_axes: int = 3, hidden: int = 128, activation: type[nn.Module] = nn.GELU
    ) -> None:
        super().__init__()
        self.mlp = MLP(num_axes, hidden=hidden, out=dim, activation=activation)

    def reset_parameters(self) -> None:
        """Draws both layers anew, as torch draws a ``Linear``."""
        for layer in (self.mlp.fc1, self.mlp.fc2):
            layer.reset_parameters()

    def forward(self, coords: Tensor) -> Tensor:
        """Centres ``(B, N, A)`` -> positions ``(B, N, D)``."""
        return self.mlp(coords)
