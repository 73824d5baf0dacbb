"""What every method is: the paper's composition, from a batch to a loss."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from medmae.masking.base import Mask, Masking
from medmae.nn.vit import MaskedViT

Batch = Mapping[str, Tensor]


@dataclass(frozen=True)
class StepOutput:
    """What one training step of a method gives.

    Attributes:
        loss: Scalar to minimise.
        terms: Named parts of the loss, weights applied; they add up to ``loss``.
        prediction: Predictions by name; of a masked method rows in the order of ``mask.masked``.
        mask: The mask that was used; None of a method that hides nothing.
    """

    loss: Tensor
    terms: dict[str, Tensor]
    prediction: dict[str, Tensor]
    mask: Mask | None = None

    @classmethod
    def of(cls, *, terms: dict[str, Tensor], prediction: dict[str, Tensor], mask: Mask | None = None) -> StepOutput:
        """With the loss as the sum of the terms."""
        return cls(torch.stack(list(terms.values())).sum(), terms, prediction, mask)


@dataclass(frozen=True)
class Given:
    """One kind of data as a masked method was shown it.

    Attributes:
        image: ``(B, C, *size)``, hidden parts too.
        hidden: True where it was hidden, bool ``(B, 1, *size)``; nowhere in a sample that lacks this kind.
    """

    image: Tensor
    hidden: Tensor


class Method(nn.Module, ABC):
    """A system: composes tokens, encoder, what stands on it, and objective.

    A method knows nothing of optimisers, files or devices. ``encoder`` is the thing one keeps. A supervised method
    derives from this class; a self-supervised one, which hides a part of its input, from :class:`MaskedMethod`.
    """

    encoder: MaskedViT

    @abstractmethod
    def forward(
        self,
        batch: Batch,
        *,
        generator: torch.Generator | None = None,
        mask: Mask | None = None,
        progress: float = 1.0,
    ) -> StepOutput:
        """One step.

        Args:
            batch: Tensors by name, for instance ``{"image": (B, C, H, W)}``; each has a row a sample.
            generator: Where all randomness of the step comes from (on the CPU): the mask's, mostly.
            mask: Replays this mask instead of drawing one; None for a method that hides nothing.
            progress: Share of training that is done, in [0, 1], for objectives that change on the way.
        """

    @abstractmethod
    def example_batch(self, batch_size: int = 2, *, generator: torch.Generator | None = None) -> dict[str, Tensor]:
        """A random batch of the right shapes, for checks."""

    def update_teacher(self, *, progress: float) -> None:
        """Called after each optimiser step; methods with a momentum teacher move it here."""

    def momentum_at(self, progress: float) -> float | None:
        """Share of itself that a momentum teacher keeps in a step, for the log; None of a method without a teacher."""
        return None


class MaskedMethod(Method):
    """A self-supervised system: hides some tokens, and learns from what it makes of them."""

    masking: Masking

    def draw_mask(self, batch: Batch, *, generator: torch.Generator | None = None) -> Mask:
        """The mask that :meth:`forward` would draw, on the device of the batch.

        A batch of padded samples says in ``real``, bool ``(B, 1, *size)``, which values are their own: a token without
        any is neither seen nor decoded, so that it enters no loss.
        """
        device = next(iter(batch.values())).device
        real = self.encoder.patches.touched(batch["real"]) if "real" in batch else None  # (B, N)
        return self.masking.sample(count_samples(batch), generator=generator, real=real).to(device)

    def given(self, batch: Batch, mask: Mask) -> dict[str, Given]:
        """What the encoder was shown, by the names of :meth:`reconstruct` (which may make less, and more)."""
        return {"image": Given(batch["image"], self.encoder.patches.paint(mask.as_bool()))}

    @abstractmethod
    def reconstruct(self, batch: Batch, mask: Mask) -> dict[str, Tensor]:
        """Pictures for people: named maps ``(B, C, *size)``, what was visible pasted from the input."""


def count_samples(batch: Batch) -> int:
    """B, the samples of a batch."""
    return len(next(iter(batch.values())))
