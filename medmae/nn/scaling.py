"""The scale that an encoder expects of data: its one home."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from medmae.kinds import Scale, ScaleLike
from medmae.tokens.patches import check_floating


class InputScale(nn.Module):
    """``(data - mean) / std`` at the entrance of an encoder; the identity leaves every bit as it is.

    Its numbers are no weights and stand in no state dict: the header of a weight file says them, and
    :mod:`medmae.weights.scales` reads them back. It is compiled and exported with the encoder.

    Args:
        scale: What the encoder expects; None is the identity until weights say otherwise.
        channels: C.
        ndim: Number of axes of the data behind batch and channels.

    Attributes:
        scale: The scale.
        said: Whether whoever built the encoder named it; weights of another scale are refused then.

    Raises:
        ValueError: If the scale is not known or does not suit the channels.
    """

    def __init__(self, scale: ScaleLike | None, *, channels: int, ndim: int) -> None:
        super().__init__()
        self.mean: Tensor
        self.std: Tensor
        self.said = scale is not None
        self.channels = channels
        for name in ("mean", "std"):
            self.register_buffer(name, torch.empty(channels, *(1,) * ndim), persistent=False)
        self.take(Scale() if scale is None else Scale.of(scale, channels=channels))

    def take(self, scale: Scale) -> None:
        """Expects another scale from now on.

        Raises:
            ValueError: If it is of another number of channels.
        """
        scale.check(self.channels)
        self.scale, self.identity = scale, scale.identity
        for buffer, values in ((self.mean, scale.mean), (self.std, scale.std)):
            buffer.copy_(torch.tensor(values).reshape(-1, *(1,) * (buffer.ndim - 1)))

    def forward(self, data: Tensor) -> Tensor:
        """``(B, C, *size)`` in its own units -> as the encoder expects it."""
        check_floating(data)
        return data if self.identity else (data - self.mean) / self.std

    def invert(self, data: Tensor) -> Tensor:
        """The inverse: back to the data's own units, for the eye and for figures."""
        return data if self.identity else data * self.std + self.mean
