"""What masking strategies share whose masks are made of uniform noise: it is drawn, or given to replay a mask."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import torch
from torch import Tensor

from medmae.masking.base import Mask


class NoiseMasking(ABC):
    """A strategy whose mask depends on uniform noise alone, a row a sample.

    Attributes:
        noise_dtype: Of the noise that is drawn.
        cut_by_padding: What padding would cut through, of a strategy that takes no padded samples.
    """

    noise_dtype: ClassVar[torch.dtype] = torch.float32
    cut_by_padding: ClassVar[str | None] = None

    @property
    @abstractmethod
    def noise_width(self) -> int:
        """Uniform numbers that a sample needs."""

    @abstractmethod
    def mask_of(self, noise: Tensor, real: Tensor | None = None) -> Mask:
        """The mask that noise ``(B, noise_width)`` means; nothing here is random. ``real`` as in :meth:`sample`."""

    def sample(
        self,
        batch_size: int,
        *,
        generator: torch.Generator | None = None,
        noise: Tensor | None = None,
        real: Tensor | None = None,
    ) -> Mask:
        """Draws a mask, or replays one from given noise.

        Args:
            batch_size: B.
            generator: Source of randomness, on the CPU, so that a seed means the same mask on every device.
            noise: Uniform in [0, 1), ``(B, noise_width)``; when given, nothing is drawn.
            real: ``(B, N)`` bool, False where a token is padding: neither visible nor masked, but skipped. None: all
                are real.

        Raises:
            ValueError: If the noise has another shape, or samples are padded and the strategy does not know that.
        """
        if real is not None and self.cut_by_padding:
            raise ValueError(
                f'samples are padded (the batch has "real"), which masking in {self.cut_by_padding} does not know: '
                "use crops that are no larger than the smallest sample"
            )
        if noise is None:
            noise = self.draw(batch_size, generator)
        if noise.shape != (batch_size, self.noise_width):
            raise ValueError(f"noise must be {(batch_size, self.noise_width)}, got {tuple(noise.shape)}")
        return self.mask_of(noise, real)

    def draw(self, batch_size: int, generator: torch.Generator | None) -> Tensor:
        """Noise ``(B, noise_width)``."""
        return torch.rand(batch_size, self.noise_width, generator=generator, dtype=self.noise_dtype)
