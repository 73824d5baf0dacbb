"""Classifiers of one or several skeletons, as MAMP fine-tunes and probes its encoder."""

from __future__ import annotations

from typing import ClassVar, Literal, get_args

import torch
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
        encoder: Of one body, ``(T, V)``, whose tokens are of one joint each; left in place. ``joints`` and
            ``drop_path`` need a masked ViT.
        num_classes: K.
        bodies: M.
        head: ``linear``: a layer on the mean of all tokens; ``joints``: means over time of each joint, side by side,
            through a hidden layer (fine-tuning).
        hidden: Its width.
        dropout: Share of values that is dropped in training, before ``joints``.
        drop_path: Stochastic depth of the encoder; None leaves it.
    """

    __constants__: ClassVar = ["alone", "by_joint", "of_tokens"]  # what these rule out TorchScript does not look at

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
        self.encoder, self.bodies, self.alone = encoder, bodies, bodies == 1
        self.slots, self.joints = encoder.patches.grid
        self.size = (encoder.patches.size[0], bodies * self.joints)  # of what it takes
        self.by_joint, self.of_tokens = head == "joints", isinstance(encoder, MaskedViT)
        self.dropout = nn.Dropout(dropout)
        wide = encoder.dim * self.joints
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
        if data.shape[3] != self.bodies * self.joints:
            raise ValueError(f"{self.bodies} bodies of {self.joints} joints are asked for, got {data.shape[3]} joints")
        if self.alone:
            return self.head(self._of_persons(data))
        return self.head(self._of_several(data))

    @torch.jit.unused
    def _of_several(self, data: Tensor) -> Tensor:
        """Means over the bodies that are there."""
        persons = data.unflatten(3, (self.bodies, self.joints)).movedim(3, 1)  # (B, M, C, T, V)
        there = persons.flatten(2).any(dim=2)  # (B, M): who is absent is all zeros
        if not there.any(dim=1).all():
            raise ValueError("a sample has no body: all of its coordinates are 0")
        found = self._of_persons(persons[there])
        each = found.new_zeros(*there.shape, found.shape[1])
        each[there] = found
        return each.sum(dim=1) / there.sum(dim=1, keepdim=True)

    def _of_persons(self, data: Tensor) -> Tensor:
        if not self.of_tokens:
            return self.encoder.features(data)
        tokens = self.encoder(data)  # (persons, N, D)
        if not self.by_joint:
            return tokens.mean(dim=1)
        of_joints = self.dropout(tokens).unflatten(1, [self.slots, self.joints]).mean(dim=1)  # (persons, V, D)
        return of_joints.flatten(1)
