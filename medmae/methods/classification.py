"""An encoder that was pre-trained, with a classifier's head, trained on labels: of any kind of data.

Not a paper's system but what follows each of them, so it is in no list of methods.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from medmae.masking.base import Masks
from medmae.methods.base import Batch, Method, StepOutput
from medmae.nn.vit import MaskedViT


class Classification(Method):
    """Cross-entropy of a plain network.

    Args:
        network: ``(B, C, *size)`` in its own units -> logits ``(B, K)``, around a :class:`MaskedViT`: a
            :class:`medmae.nn.heads.Classifier`.

    Raises:
        ValueError: If the network has no masked ViT.
    """

    def __init__(self, *, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        if not any(isinstance(part, MaskedViT) for part in network.modules()):
            raise ValueError(f"{type(network).__name__} has no masked ViT to be fine-tuned")

    @property
    def encoder(self) -> MaskedViT:  # type: ignore[override]
        """The network's."""
        return next(part for part in self.network.modules() if isinstance(part, MaskedViT))

    def forward(
        self,
        batch: Batch,
        *,
        generator: torch.Generator | None = None,
        masks: Masks | None = None,
        progress: float = 1.0,
    ) -> StepOutput:
        """One step on ``{"image": (B, C, *size), "label": (B,)}``; ``target`` ``(B, K)``, if given, goes before."""
        logits = self.network(batch["image"])  # (B, K)
        target = batch["target"] if "target" in batch else F.one_hot(batch["label"].long(), logits.shape[1])
        loss = F.cross_entropy(logits.float(), target.float())
        return StepOutput.of(terms={"label": loss}, prediction={"logits": logits})

    def example_batch(self, batch_size: int = 2, *, generator: torch.Generator | None = None) -> dict[str, Tensor]:
        """See :meth:`Method.example_batch`; two classes, which every classifier has."""
        patches = self.encoder.patches
        image = torch.rand(batch_size, patches.channels, *patches.size, generator=generator)
        return {"image": image, "label": torch.randint(2, (batch_size,), generator=generator)}
