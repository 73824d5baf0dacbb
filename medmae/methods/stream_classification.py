"""Labels from several kinds of data at once: each says what it thinks, and learns by itself (AV-MAE's fine-tuning).

Not a paper's system but what follows it, so it is in no list of methods.
"""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from medmae.errors import check_choice
from medmae.masking.base import Masks
from medmae.methods.base import Batch, Method, StepOutput
from medmae.nn.bottleneck import BottleneckClassifier, BottleneckEncoder
from medmae.nn.fused_encoder import FusedEncoder
from medmae.nn.fused_head import FusedClassifier
from medmae.objectives.mixing import beta_share

Labels = Literal["one", "several"]


class StreamClassification(Method):
    """The mean over kinds of the loss of each kind's own logits; where it is only judged, the loss of their mean.

    Of a network that says but one thing of all kinds together, it is the loss of that.

    Args:
        network: Data by name -> logits, apart or together.
        labels: ``one`` of the classes (cross-entropy), or ``several`` (binary cross-entropies, added up).
        smoothing: Of labels: 1 becomes ``1 - smoothing + smoothing / K``, and 0 ``smoothing / K``.
        mixup: In training each kind is mixed with that of the batch in reverse order by a share of its own, drawn from
            Beta(mixup, mixup), and so are its labels; where either sample lacks the kind it is not mixed. Kinds of
            which but one thing is said have one share. 0 mixes none.

    Raises:
        ValueError: If the choice is not known.
    """

    def __init__(
        self,
        *,
        network: BottleneckClassifier | FusedClassifier,
        labels: Labels = "one",
        smoothing: float = 0.3,
        mixup: float = 0.5,
    ) -> None:
        super().__init__()
        check_choice(labels, get_args(Labels), name="labels")
        self.network, self.labels, self.smoothing, self.mixup = network, labels, smoothing, mixup

    @property
    def encoder(self) -> BottleneckEncoder | FusedEncoder:  # type: ignore[override]
        """The network's."""
        return self.network.encoder

    def forward(
        self, batch: Batch, *, generator: Generator | None = None, masks: Masks | None = None, progress: float = 1.0
    ) -> StepOutput:
        """One step on data by name and ``label``, classes ``(B,)`` or 0 and 1 ``(B, K)``; ``target`` goes before it."""
        wanted = self._wanted(batch)
        if not self.training:
            logits = self.network(batch)
            return StepOutput.of(terms={"label": self._loss(logits, wanted).mean()}, prediction={"logits": logits})
        mixed, targets = self._mixed(batch, wanted, generator)
        if isinstance(self.network, FusedClassifier):
            logits = self.network(mixed)
            loss = self._loss(logits, targets[self.network.choices[0][0]]).mean()
            return StepOutput.of(terms={"label": loss}, prediction={"logits": logits})
        apart, given = self.network.apart(mixed)
        terms = {}
        for name, logits in apart.items():
            loss, has = self._loss(logits, targets[name]), given.there[name]  # (B,)
            terms[name] = (loss.mean() if has is None else (loss * has).sum() / has.sum()) / len(apart)
        return StepOutput.of(terms=terms, prediction=apart)

    def example_batch(self, batch_size: int = 2, *, generator: Generator | None = None) -> dict[str, Tensor]:
        """See :meth:`Method.example_batch`; two classes, which every classifier has."""
        data = {
            name: torch.rand(batch_size, len(stream.kind.channels), *stream.size, generator=generator)
            for name, stream in self.encoder.given_as.items()
        }
        return {**data, "label": torch.randint(2, (batch_size,), generator=generator)}

    def _wanted(self, batch: Batch) -> Tensor:
        """Smoothed, ``(B, K)``."""
        classes = self.network.head.out_features
        hard = batch["target"] if "target" in batch else batch["label"]
        hard = F.one_hot(hard.long(), classes) if hard.ndim == 1 else hard
        return hard.float() * (1 - self.smoothing) + self.smoothing / classes

    def _mixed(
        self, batch: Batch, wanted: Tensor, generator: Generator | None
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Data and targets of each kind, mixed."""
        names = [name for name in self.encoder.given_as if name in batch]
        if not self.mixup:
            return dict(batch), dict.fromkeys(names, wanted)
        table = self.encoder.available(batch)  # (B, T)
        mixed, targets = dict(batch), {}
        together = beta_share(self.mixup, generator) if isinstance(self.network, FusedClassifier) else None
        for name in names:
            has = table[:, list(self.encoder.given_as).index(name)]
            drawn = beta_share(self.mixup, generator) if together is None else together
            share = torch.where(has & has.flip(0), drawn, 1.0)  # (B,)
            own, other = batch[name], batch[name].flip(0).nan_to_num()  # what is not there may be no number
            part = share.reshape(-1, *(1,) * (own.ndim - 1)).to(own.dtype)
            mixed[name] = part * own + (1 - part) * other
            targets[name] = share.unsqueeze(1) * wanted + (1 - share).unsqueeze(1) * wanted.flip(0)
        return mixed, targets

    def _loss(self, logits: Tensor, wanted: Tensor) -> Tensor:
        """Of each sample, ``(B,)``."""
        logits = logits.float()
        if self.labels == "one":
            return F.cross_entropy(logits, wanted, reduction="none")
        return F.binary_cross_entropy_with_logits(logits, wanted, reduction="none").sum(dim=1)
