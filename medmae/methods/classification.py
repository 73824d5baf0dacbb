"""An encoder that was pre-trained, with a classifier's head, trained on labels: of any kind of data.

Not a paper's system but what follows each of them, so it is in no list of methods.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from medmae.masking.base import Masking, Masks
from medmae.methods.base import Batch, Method, StepOutput, entry
from medmae.nn.classifiers import CloudEncoder
from medmae.nn.vit import MaskedViT
from medmae.tokens.patches import Patches


class Classification(Method):
    """Cross-entropy of a plain network.

    Args:
        network: ``(B, C, *size)`` in its own units -> logits ``(B, K)``, around a :class:`MaskedViT`: a
            :class:`medmae.nn.heads.Classifier`; or around an encoder of clouds
            (:mod:`medmae.nn.point_heads`).
        part: Name of the encoder in a network of several, such as ``encoder``.
        masking: Hides tokens in training, as an augmentation, such as times and frequencies of a sound (AudioMAE's
            fine-tuning: :class:`medmae.masking.lines.LineMasking`); the network takes ``visible`` then. None: none.

    Raises:
        ValueError: If the network has no masked ViT of this name, or several and none is named.
    """

    def __init__(self, *, network: nn.Module, part: str | None = None, masking: Masking | None = None) -> None:
        super().__init__()
        self.network, self.masking = network, masking
        parts = dict(network.named_modules())
        found = [name for name, own in parts.items() if isinstance(own, MaskedViT)]
        found = found or [name for name, own in parts.items() if isinstance(own, CloudEncoder)]
        if part not in (None, *found) or (part is None and len(found) != 1):
            known = f"masked ViTs {', '.join(found)}: name one, part={found[0]!r}" if found else "no masked ViT"
            raise ValueError(f"{type(network).__name__} has {known}")
        self.part = part or found[0]

    @property
    def encoder(self) -> MaskedViT:  # type: ignore[override]
        """The network's; what its kind of data is called in batches, the network takes."""
        return self.network.get_submodule(self.part)  # type: ignore[return-value]

    @property
    def patches(self) -> Patches:
        """The encoder's, as methods have it."""
        return self.encoder.patches

    def forward(
        self, batch: Batch, *, generator: Generator | None = None, masks: Masks | None = None, progress: float = 1.0
    ) -> StepOutput:
        """One step on data and ``label`` ``(B,)``; ``target`` ``(B, K)``, if given, goes before."""
        data = entry(batch, self.encoder.kind.name)
        if self.masking is not None and self.training:
            drawn = self.masking.sample(len(data), generator=generator).to(data.device)
            logits = self.network(data, visible=drawn.visible)  # (B, K)
        else:
            logits = self.network(data)
        target = batch["target"] if "target" in batch else F.one_hot(batch["label"].long(), logits.shape[1])
        loss = F.cross_entropy(logits.float(), target.float())
        return StepOutput.of(terms={"label": loss}, prediction={"logits": logits})

    def example_batch(self, batch_size: int = 2, *, generator: Generator | None = None) -> dict[str, Tensor]:
        """See :meth:`Method.example_batch`; two classes, which every classifier has."""
        encoder: Any = self.encoder
        if isinstance(encoder, CloudEncoder):
            shape = encoder.example
        else:  # of several bodies, more than the encoder's
            size = getattr(self.network, "size", encoder.patches.size)
            shape = (encoder.patches.channels, *size)
        data = torch.rand(batch_size, *shape, generator=generator)
        return {self.encoder.kind.name: data, "label": torch.randint(2, (batch_size,), generator=generator)}
