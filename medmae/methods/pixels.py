"""What methods share that hide patches of one kind of data, an image, a volume or a clip, and regress pixels."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import ClassVar, Protocol

import torch
from torch import Tensor, nn

from medmae.kinds import Kind
from medmae.masking.base import Mask, Masking, Masks
from medmae.masking.neighbours import from_visible
from medmae.methods.base import Batch, MaskedMethod, StepOutput, count_samples, entry
from medmae.methods.shown import Shown
from medmae.objectives.pixel import TargetNorm, masked_mse
from medmae.tokens.patches import Patches


class Cut(Protocol):
    """What cuts data into patches and puts them back, scaled as it expects it: an encoder of them."""

    patches: Patches
    kind: Kind

    def patchify(self, data: Tensor) -> Tensor:
        """``(B, C, *size)`` in its own units -> ``(B, N, P)``."""

    def unpatchify(self, rows: Tensor) -> Tensor:
        """The inverse."""


def rebuilt(
    encoder: Cut,
    data: Tensor,
    mask: Mask,
    predicted: Tensor,
    *,
    target_norm: TargetNorm | None,
    scaled: bool,
    seen_as: Callable[[Tensor], Tensor] = lambda rows: rows,
) -> Shown:
    """What a network made of hidden patches, with what was visible pasted; see :meth:`PatchMethod.shown`.

    Args:
        encoder: Whose patches they are.
        data: ``(B, C, *size)`` in its own units.
        mask: Which are hidden.
        predicted: ``(B, M, P)``, in the order of ``mask.masked``.
        target_norm: By which the target was normalised.
        scaled: Whether it was in the units that the encoder expects, or in the data's own.
        seen_as: What of patches ``(B, K, P)`` the normalisation saw, such as their grey.
    """
    patches, hidden = encoder.patches, encoder.patches.paint(mask.as_bool())
    cut = encoder if scaled else patches
    rows = cut.patchify(data)  # (B, N, P)
    seen, channels = mask.keep(rows), patches.channels

    def pasted(values: Tensor) -> Tensor:
        return torch.where(hidden, cut.unpatchify(mask.restore(seen, values)), data)

    if target_norm is None:
        return Shown(encoder.kind, data, hidden, pasted(predicted))
    statistics = target_norm.statistics(seen_as(seen), channels=channels)
    expected = (from_visible(part, mask, grid=patches.grid) for part in statistics)  # (B, M, 1 or C) each
    true = target_norm.statistics(seen_as(mask.hidden(rows)), channels=channels)
    made, by_patch = (pasted(target_norm.invert(predicted, *some, channels=channels)) for some in (expected, true))
    return Shown(encoder.kind, data, hidden, made, by_patch)


class PatchMethod(MaskedMethod):
    """A masked method of one kind of data, cut into patches, of which each sample hides equally many.

    Attributes:
        patches: How the data is cut.
        masking: How patches are hidden.
        target_norm: Normalisation of the target patches; None regresses pixels as they are.
        target_scaled: Whether pixels are regressed as the encoder expects them, or in the data's own units.
    """

    patches: Patches
    masking: Masking
    target_norm: TargetNorm | None
    target_scaled: ClassVar[bool] = True

    @property
    def kind(self) -> Kind:
        """What it takes, in its own units."""
        return self.encoder.kind

    @property
    def maskings(self) -> Mapping[str, Masking]:  # type: ignore[override]
        """See :attr:`MaskedMethod.maskings`."""
        return {self.kind.name: self.masking}

    def data(self, batch: Batch) -> Tensor:
        """``(B, C, *size)`` in its own units.

        Raises:
            ValueError: If the batch does not have it.
        """
        return entry(batch, self.kind.name)

    def rows(self, batch: Batch) -> Tensor:
        """Its patches ``(B, N, P)``, scaled as the encoder expects it."""
        return self.encoder.patchify(self.data(batch))

    def draw_masks(self, batch: Batch, *, generator: torch.Generator | None = None) -> Masks:
        """See :meth:`MaskedMethod.draw_masks`.

        A batch of padded samples says in ``real``, bool ``(B, 1, *size)``, which values are their own: a token without
        any is neither seen nor decoded, so that it enters no loss.
        """
        real = self.patches.touched(batch["real"]) if "real" in batch else None  # (B, N)
        mask = self.masking.sample(count_samples(batch), generator=generator, real=real)
        return {self.kind.name: mask.to(self.data(batch).device)}

    def mask(self, batch: Batch, masks: Masks | None, *, generator: torch.Generator | None = None) -> Mask:
        """The one that is replayed, or else drawn.

        Raises:
            ValueError: If samples hide different numbers of tokens, or tokens are to be replaced.
        """
        mask = (masks or self.draw_masks(batch, generator=generator))[self.kind.name]
        if mask.padded or mask.replaced:
            raise ValueError(
                f"{type(self).__name__} drops hidden tokens, equally many of each sample: it takes no mask that "
                f"{'replaces them' if mask.replaced else 'hides different numbers'}"
            )
        return mask

    def shown(self, batch: Batch, mask: Mask, predicted: Tensor) -> Shown:
        """What was predicted of hidden patches, ``(B, M, P)``, in the data's own units, with what was visible pasted.

        A normalised target says nothing of a patch's mean and deviation. In ``made``, which is scored, they are those
        of visible patches, weighted by distance; in ``by_patch`` the true ones of what was hidden.
        """
        return rebuilt(
            self.encoder, self.data(batch), mask, predicted, target_norm=self.target_norm, scaled=self.target_scaled
        )

    def example_batch(self, batch_size: int = 2, *, generator: torch.Generator | None = None) -> dict[str, Tensor]:
        """See :meth:`Method.example_batch`."""
        shape = (batch_size, self.patches.channels, *self.patches.size)
        return {self.kind.name: torch.rand(shape, generator=generator)}


class PixelMethod(PatchMethod):
    """A patch method whose head predicts every patch, normalised or as it is: MAE, BootMAE, CMAE."""

    @abstractmethod
    def predict(self, batch: Batch, mask: Mask) -> Tensor | dict[str, Tensor]:
        """Predictions for all tokens in raster order ``(B, N, P)``, by name if there are several heads."""

    def target(self, rows: Tensor) -> Tensor:
        """What the head regresses for patches ``(B, M, P)``."""
        return rows if self.target_norm is None else self.target_norm(rows, channels=self.patches.channels)

    @torch.no_grad()
    def show(self, batch: Batch, masks: Masks) -> dict[str, Shown]:
        """See :meth:`MaskedMethod.show`."""
        mask, name = self.mask(batch, masks).complete(), self.kind.name
        predicted = self.predict(batch, mask)
        predicted = predicted[name] if isinstance(predicted, dict) else predicted
        return {name: self.shown(batch, mask, mask.hidden(predicted))}


class DecodedMethod(PixelMethod):
    """A pixel method of one decoder and one head, whose loss is their error on hidden tokens: MAE, Audio-MAE.

    Attributes:
        head: From decoder tokens to patch values.
    """

    head: nn.Module

    @abstractmethod
    def decoded(self, rows: Tensor, mask: Mask, *, masked_only: bool = True) -> Tensor:
        """Decoder tokens of hidden patches ``(B, M, dim)``, or of all in raster order, from patches ``(B, N, P)``."""

    def forward(
        self,
        batch: Batch,
        *,
        generator: torch.Generator | None = None,
        masks: Masks | None = None,
        progress: float = 1.0,
    ) -> StepOutput:
        """One step on data ``(B, C, *size)`` by the name of its kind; see :meth:`Method.forward`."""
        rows, name = self.rows(batch), self.kind.name  # (B, N, P)
        mask = self.mask(batch, masks, generator=generator)
        prediction = self.head(self.decoded(rows, mask))  # (B, M, P)
        loss = masked_mse(prediction, self.target(mask.hidden(rows)))
        return StepOutput.of(terms={name: loss}, prediction={name: prediction}, masks={name: mask})

    def predict(self, batch: Batch, mask: Mask) -> Tensor:
        """Predictions for all tokens in raster order ``(B, N, P)``; those of visible tokens mean nothing."""
        return self.head(self.decoded(self.rows(batch), mask.complete(), masked_only=False))
