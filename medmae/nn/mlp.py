"""The two-layer perceptron of a transformer block."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Literal, get_args

from torch import Tensor, nn

from medmae.errors import check_choice

Gelu = Literal["exact", "tanh"]


def gelu(form: Gelu) -> Callable[[], nn.Module]:
    """GELU as it is defined, or by its approximation with tanh, which flax and TensorFlow take unless told otherwise.

    Raises:
        ValueError: If there is no such form.
    """
    check_choice(form, get_args(Gelu), name="gelu")
    return partial(nn.GELU, approximate="tanh") if form == "tanh" else nn.GELU


class MLP(nn.Module):
    """Linear, activation, linear; keys as timm's ``Mlp``.

    Args:
        dim: Width of what comes in.
        hidden: Width between.
        out: Width of what goes out; None is ``dim``.
        activation: Makes the function between.
    """

    def __init__(
        self, dim: int, *, hidden: int, out: int | None = None, activation: Callable[[], nn.Module] = nn.GELU
    ) -> None:
        super().__init__()
        self.fc1 = nn.Linear(dim, hidden)
        self.act = activation()
        self.fc2 = nn.Linear(hidden, dim if out is None else out)

    def forward(self, x: Tensor) -> Tensor:
        """``(..., dim)`` -> ``(..., out)``."""
        return self.fc2(self.act(self.fc1(x)))
