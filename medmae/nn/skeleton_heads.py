"""Classifiers of one or several skeletons, as MAMP fine-tunes and probes its encoder."""

from __future__ import annotations

from typing import Literal, get_args

from torch import Tensor, nn

from medmae.errors import check_choice
from medmae.nn.blocks import set_drop_path
from medmae.nn.config import Configured
from medmae.nn.projector import SampleNorm
from medmae.nn.sttformer import STTFormer
from medmae.nn.vit import MaskedViT

Head = Literal["linear", "joints"]


class SkeletonClassifier(Configured, nn.Module):
    """``(B, C, T, M V)``, M bodies one behind the other -> logits ``(B, K)``; means are over bodies that are there.

    Args:
        encoder: Of one body, ``(T, V)``; left in place. ``joints`` and ``drop_path`` need a masked ViT.
        num_classes: K.
        bodies: M.
        head: ``linear``: a layer on the mean of all tokens; ``joints``: means over time of each joint, side by side,
            through a hidden layer (fine-tuning).
        hidden: Its width.
        dropout: Share of values that is dropped in training, before ``joints``.
        drop_path: Stochastic depth of the encoder; None leaves it.
    """

    def __init__(
        self,
        *,
        encoder: MaskedViT | STTFormer,
        num_classes: int,
        bodies: int = 2,
        head: Head = "linear",
        hidden: int = 2048,
        dropout: float = 0.3,
        drop_path: float | None = None,
    ) -> None:
        super().__init__()
        check_choice(head, get_args(Head), name="head")
        if not isinstance(encoder, MaskedViT) and (head == "joints" or drop_path is not None):
            raise ValueError("STTFormer has neither a head of joints nor stochastic depth: head='linear', no drop_path")
        if drop_path is not None:
            set_drop_path(encoder.blocks, drop_path)
        self.encoder, self.bodies = encoder, bodies
        self.by_joint = head == "joints"
        self.dropout = nn.Dropout(dropout)
        wide = encoder.dim * encoder.patches.grid[1]
        self.head: nn.Module = (
            nn.Sequential(nn.Linear(wide, hidden), SampleNorm(hidden), nn.ReLU(), nn.Linear(hidden, num_classes))
            if self.by_joint
            else nn.Linear(encoder.dim, num_classes)
        )

    def forward(self, data: Tensor) -> Tensor:
        """See the class.

        Raises:
            ValueError: If ``data`` has another number of joints, or a sample has no body at all.
        """
        joints = self.encoder.patches.size[1]
        if data.shape[3] != self.bodies * joints:
            raise ValueError(f"{self.bodies} bodies of {joints} joints are asked for, got {data.shape[3]} joints")
        persons = data.unflatten(3, (self.bodies, joints)).movedim(3, 1)  # (B, M, C, T, V)
        there = persons.flatten(2).any(dim=2)  # (B, M): who is absent is all zeros
        if not there.any(dim=1).all():
            raise ValueError("a sample has no body: all of its coordinates are 0")
        found = self._of_persons(persons[there])
        each = found.new_zeros(*there.shape, found.shape[1])
        each[there] = found
        return self.head(each.sum(dim=1) / there.sum(dim=1, keepdim=True))

    def _of_persons(self, data: Tensor) -> Tensor:
        if not self.by_joint:
            return self.encoder.features(data)
        assert isinstance(self.encoder, MaskedViT)
        tokens = self.encoder(data)  # (persons, N, D)
        of_joints = self.dropout(tokens).unflatten(1, self.encoder.patches.grid).mean(dim=1)  # (persons, V, D)
        return of_joints.flatten(1)
