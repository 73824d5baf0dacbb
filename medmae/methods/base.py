"""What every method is: the paper's composition, from a batch to a loss."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Generator, Tensor, nn

from medmae.kinds import Kind
from medmae.masking.base import Masking, Masks
from medmae.methods.shown import Shown
from medmae.nn.config import Configured
from medmae.nn.encoder import Encoder
from medmae.nn.vit import MaskedViT

Batch = Mapping[str, Tensor]


@dataclass(frozen=True)
class StepOutput:
    """What one training step of a method gives.

    Attributes:
        loss: Scalar to minimise.
        terms: Named parts of the loss, weights applied; they add up to ``loss``.
        prediction: Predictions by name, a row a sample; of masked tokens in the order of their mask's ``masked``.
        masks: Those that were used, by name; none of a method that hides nothing.
    """

    loss: Tensor
    terms: dict[str, Tensor]
    prediction: dict[str, Tensor]
    masks: Masks = field(default_factory=dict)

    @classmethod
    def of(cls, *, terms: dict[str, Tensor], prediction: dict[str, Tensor], masks: Masks | None = None) -> StepOutput:
        """With the loss as the sum of the terms."""
        return cls(torch.stack(list(terms.values())).sum(), terms, prediction, masks or {})


class Method(Configured, nn.Module, ABC):
    """A system: composes tokens, encoders, what stands on them, and objective.

    A method knows nothing of optimisers, files or devices. What it can do shows in what it is and says, and methods may
    be several of these at once: one that hides a part of its input is a :class:`MaskedMethod`; one that is told what to
    find says so in ``needs``; one that learns from another network names it in ``teachers``.

    Attributes:
        needs: What it cannot do without, beside data: ``target`` in each batch, or a trained ``teacher`` when it is
            built. A batch or a construction without them is refused.
        no_weight_decay: What its optimiser spares from weight decay beside one-dimensional parameters, by the last part
            of its name, such as ``mask_token``.
        encoder: The thing one keeps, of methods that have one.
    """

    needs: frozenset[str] = frozenset()
    no_weight_decay: frozenset[str] = frozenset()
    encoder: MaskedViT

    @property
    def encoders(self) -> Mapping[str, Encoder]:
        """What one keeps, by the names of these parts; one encoder may be several networks with their fusion."""
        return {"encoder": self.encoder}

    @property
    def kinds(self) -> Mapping[str, Kind]:
        """What it takes, by name in a batch.

        Raises:
            ValueError: If two encoders mean different things by one name.
        """
        found: dict[str, Kind] = {}
        for part, encoder in self.encoders.items():
            for name, kind in encoder.kinds.items():
                if found.setdefault(name, kind) != kind:
                    raise ValueError(
                        f"{part} takes another {name!r} than the encoders before it, {kind.as_dict()} and "
                        f"{found[name].as_dict()}: build them for one kind, or give their kinds names of their own"
                    )
        return found

    @property
    def teachers(self) -> Mapping[str, nn.Module]:
        """Networks that give targets and get no gradient, by the names of these parts.

        A teacher that moves with the method is a part of its state. One that was handed in (``teacher`` in ``needs``)
        is not: see :class:`medmae.nn.teacher.FrozenTeacher`.
        """
        return {}

    def __call__(self, batch: Batch, **options: Any) -> StepOutput:
        """:meth:`forward`, of a batch by name.

        Raises:
            ValueError: If a bare tensor is given, or anything else without names.
        """
        if not isinstance(batch, Mapping):
            name = next(iter(self.kinds), "image")
            raise ValueError(
                f'batch must be a mapping of tensors by name, {{"{name}": tensor, ...}}, got a {type(batch).__name__}'
            )
        output: StepOutput = super().__call__(batch, **options)
        return output

    @abstractmethod
    def forward(
        self, batch: Batch, *, generator: Generator | None = None, masks: Masks | None = None, progress: float = 1.0
    ) -> StepOutput:
        """One step.

        Args:
            batch: Tensors by name, for instance ``{"image": (B, C, H, W)}``; each has a row a sample.
            generator: Where all randomness of the step comes from (on the CPU): the masks', mostly.
            masks: Replays these instead of drawing; None for a method that hides nothing.
            progress: Share of training that is done, in [0, 1], for objectives that change on the way.
        """

    @abstractmethod
    def example_batch(self, batch_size: int = 2, *, generator: Generator | None = None) -> dict[str, Tensor]:
        """A random batch of the right shapes, for checks."""

    def update_teacher(self, *, progress: float) -> None:
        """Called after each optimiser step; methods with a momentum teacher move it here."""

    def momentum_at(self, progress: float) -> float | None:
        """Share of itself that a momentum teacher keeps in a step, for the log; None of a method without a teacher."""
        return None


class MaskedMethod(Method):
    """A method that hides some tokens of what it is given.

    Attributes:
        maskings: How tokens are hidden, by the names of the masks.
    """

    maskings: Mapping[str, Masking]

    @property
    def rebuilds(self) -> frozenset[str]:
        """Kinds of which :meth:`show` gives what was made; a mask that is but an augmentation rebuilds none."""
        return frozenset(self.kinds)

    def draw_masks(self, batch: Batch, *, generator: Generator | None = None) -> Masks:
        """The masks that :meth:`forward` would draw, on the device of the batch.

        Names are those of the kinds of data; tokens of several kinds that share one budget are counted in one mask.
        """
        device, count = next(iter(batch.values())).device, count_samples(batch)
        return {name: how.sample(count, generator=generator).to(device) for name, how in self.maskings.items()}

    @abstractmethod
    def show(self, batch: Batch, masks: Masks) -> dict[str, Shown]:
        """What was given, hidden and made of each kind in the batch, by name; without gradients."""


def count_samples(batch: Batch) -> int:
    """B, the samples of a batch."""
    return len(next(iter(batch.values())))


def entry(batch: Batch, name: str) -> Tensor:
    """What a method cannot do without.

    Raises:
        ValueError: If the batch does not have it.
    """
    if name not in batch:
        raise ValueError(f'this method needs "{name}" in the batch, got {sorted(batch)}')
    return batch[name]
