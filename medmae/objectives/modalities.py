"""What a method of several modalities rebuilds: targets, and losses in which each sample counts equally."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from torch import Tensor
from torch.nn import functional as F

from medmae.errors import check_choice
from medmae.objectives.pixel import TargetNorm
from medmae.tokens.modalities import ModalityPatches
from medmae.tokens.patches import Patches

Error = Literal["mse", "l1"]


def mean_of_samples(error: Tensor, masked: Tensor) -> Tensor:
    """Mean over each sample's masked tokens, then over the samples that have any; 0 if none has.

    So every sample counts equally, however many of its tokens are masked (MultiMAE).

    Args:
        error: One value a token, ``(B, n)``.
        masked: Tokens that count, ``(B, n)`` bool.

    Returns:
        Scalar.
    """
    count = masked.sum(dim=1)  # (B,)
    means = (error * masked).sum(dim=1) / count.clamp(min=1)  # (B,), 0 where nothing is masked
    return means.sum() / (count > 0).sum().clamp(min=1)


@dataclass(frozen=True)
class Output:
    """One thing that is rebuilt: a modality, or its patches normalised each by itself (``norm_`` and its name).

    Attributes:
        modality: Its name.
        number: Its place among the modalities.
        patches: Its patches.
        error: ``mse`` or ``l1``.
        norm: Normalisation of the target; None regresses pixels.
    """

    modality: str
    number: int
    patches: Patches
    error: Error
    norm: TargetNorm | None

    @classmethod
    def of(cls, name: str, *, error: Error, among: ModalityPatches) -> Output:
        """From its name.

        Raises:
            ValueError: If it names no modality, or the error is not known.
        """
        check_choice(error, get_args(Error), name=f"the error of output {name!r}")
        modality = name if name in among.names else name.removeprefix("norm_")
        check_choice(modality, among.names, name=f"the modality of output {name!r}")
        norm = None if name == modality else TargetNorm()
        return cls(modality, among.names.index(modality), among.patches[modality], error, norm)

    def target(self, rows: Sequence[Tensor]) -> Tensor:
        """What is regressed, ``(B, n, P)``, of the patches of all modalities."""
        true = rows[self.number]
        return true if self.norm is None else self.norm(true, channels=self.patches.channels)

    def pixels(self, predicted: Tensor, rows: Sequence[Tensor]) -> Tensor:
        """Predictions ``(B, n, P)`` as pixels, with the true statistics where the target was normalised."""
        if self.norm is None:
            return predicted
        channels = self.patches.channels
        return self.norm.invert(
            predicted, *self.norm.statistics(rows[self.number], channels=channels), channels=channels
        )

    def loss(self, predicted: Tensor, rows: Sequence[Tensor], masked: Tensor) -> Tensor:
        """Error of predictions ``(B, n, P)`` over the tokens ``masked`` ``(B, n)``; see :func:`mean_of_samples`."""
        error = F.mse_loss if self.error == "mse" else F.l1_loss
        return mean_of_samples(error(predicted, self.target(rows), reduction="none").mean(dim=2), masked)
