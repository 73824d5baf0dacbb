"""What methods share that regress the hidden patches of one picture or volume, ``image``."""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import Tensor

from medmae.masking.base import Mask
from medmae.methods.base import Batch, MaskedMethod
from medmae.objectives.pixel import PatchNorm
from medmae.tokens.patches import Patches


class PixelMethod(MaskedMethod):
    """A masked method whose ``image`` head predicts patches, normalised or as they are: MAE, BootMAE, CMAE.

    Attributes:
        patches: How ``image`` is cut.
        target_norm: Normalisation of the target patches; None regresses raw pixels.
    """

    patches: Patches
    target_norm: PatchNorm | None

    @abstractmethod
    def predict(self, batch: Batch, mask: Mask) -> Tensor | dict[str, Tensor]:
        """Predictions for all tokens in raster order ``(B, N, P)``, by name if there are several heads."""

    def target(self, rows: Tensor) -> Tensor:
        """What the head regresses for patches ``(B, M, P)``."""
        return rows if self.target_norm is None else self.target_norm(rows, channels=self.patches.channels)

    @torch.no_grad()
    def reconstruct(self, batch: Batch, mask: Mask) -> dict[str, Tensor]:
        """``{"image": (B, C, *size)}``; a normalised target is undone with the true patch statistics (for the eye)."""
        rows, mask = self.encoder.patchify(batch["image"]), mask.complete()
        predicted = self.predict(batch, mask)
        predicted = predicted["image"] if isinstance(predicted, dict) else predicted
        if self.target_norm is not None:
            predicted = self.target_norm.invert(predicted, rows, channels=self.patches.channels)
        return {"image": self.encoder.unpatchify(mask.restore(mask.keep(rows), mask.hidden(predicted)))}

    def example_batch(self, batch_size: int = 2, *, generator: torch.Generator | None = None) -> dict[str, Tensor]:
        """See :meth:`Method.example_batch`."""
        return {"image": torch.rand(batch_size, self.patches.channels, *self.patches.size, generator=generator)}
