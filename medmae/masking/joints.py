"""Masking of skeletons over time: whole moments, and joints of the others (SkeletonMAE)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

import torch
from torch import Tensor

from medmae.errors import check_choice
from medmae.masking.base import Mask
from medmae.masking.noise import NoiseMasking

JointMode = Literal["tube", "independent", "parts"]


class JointFrameMasking(NoiseMasking):
    """Hides some time slots whole, and in each of the others equally many joints.

    Of 30 slots of 25 joints, 0.4 and 0.6 hide 12 * 25 + 18 * 15 = 570 tokens of 750.

    Args:
        grid: Time slots and joints.
        frame_ratio: Share of slots that are hidden whole.
        joint_ratio: Share of joints that are hidden in the other slots.
        joint_mode: ``tube`` hides the same joints at all times, ``independent`` others in each slot, ``parts`` the same
            ones, part of the body by part, the last of them not whole.
        parts: Joints of each part, for ``parts``; each joint in one.

    Raises:
        ValueError: If there are not two axes, shares hide nothing or everything, or parts are not all joints once.
    """

    def __init__(
        self,
        *,
        grid: Sequence[int],
        frame_ratio: float = 0.4,
        joint_ratio: float = 0.6,
        joint_mode: JointMode = "tube",
        parts: Sequence[Sequence[int]] | None = None,
    ) -> None:
        check_choice(joint_mode, get_args(JointMode), name="joint_mode")
        if len(grid) != 2:
            raise ValueError(f"skeletons over time have a grid of slots and joints, got {tuple(grid)}")
        self.slots, self.joints = grid
        self.hidden_slots, self.hidden_joints = round(frame_ratio * self.slots), round(joint_ratio * self.joints)
        if not (0 <= self.hidden_slots < self.slots and 0 <= self.hidden_joints < self.joints):
            raise ValueError(f"ratios of {frame_ratio} and {joint_ratio} leave no slot, or no joint, of {tuple(grid)}")
        if not self.hidden_slots + self.hidden_joints:
            raise ValueError(f"ratios of {frame_ratio} and {joint_ratio} hide nothing of {tuple(grid)}")
        self.joint_mode = joint_mode
        self.part_of = _part_of(parts, self.joints) if joint_mode == "parts" else None

    @property
    def noise_width(self) -> int:
        """See :attr:`NoiseMasking.noise_width`: slots, then joints (of each slot, if independent), then parts."""
        rows = self.slots if self.joint_mode == "independent" else 1
        return self.slots + rows * self.joints + (0 if self.part_of is None else int(self.part_of.max()) + 1)

    def mask_of(self, noise: Tensor, real: Tensor | None = None) -> Mask:
        """See :meth:`NoiseMasking.mask_of`: what has the least noise is hidden.

        Tokens that are not real (joints that were not seen) are neither visible nor hidden; each sample has as many of
        both as the one that has fewest, and what others have more is skipped, by the noise of their joints and slots.

        Raises:
            ValueError: If nothing real is left of a sample to see, or to find.
        """
        rows = self.slots if self.joint_mode == "independent" else 1
        of_slots, of_joints, of_parts = noise.split(
            [self.slots, rows * self.joints, self.noise_width - self.slots - rows * self.joints], dim=1
        )
        joints = of_joints.unflatten(1, (rows, self.joints))  # (B, 1 or slots, joints)
        if self.part_of is not None:
            order = of_parts.argsort(dim=1).argsort(dim=1)[:, self.part_of]  # when the part of each joint comes
            joints = joints + order.unsqueeze(1)
        joint_hidden = _least(joints, self.hidden_joints).expand(-1, self.slots, -1)
        slot_hidden = _least(of_slots, self.hidden_slots).unsqueeze(2)
        hidden = (slot_hidden | joint_hidden).flatten(1)  # (B, N)
        if real is None:
            return Mask.from_bool(hidden)
        rank = (of_slots.unsqueeze(2) + joints).flatten(1)  # (B, N): which are skipped first
        return _equally_many(hidden, real.to(hidden.device), rank)


def _equally_many(hidden: Tensor, real: Tensor, rank: Tensor) -> Mask:
    """A mask of equally many visible and hidden tokens of each sample, all of them real."""
    kinds = [~hidden & real, hidden & real]
    counts = [int(kind.sum(dim=1).min()) for kind in kinds]
    if not all(counts):
        raise ValueError(
            f"of some sample {counts[0]} tokens that were seen stay visible and {counts[1]} are hidden: hide fewer "
            "moments and joints, or leave samples out of which hardly anything was seen"
        )
    visible, masked = (
        torch.where(kind, rank, torch.inf).argsort(dim=1)[:, :count].sort(dim=1).values
        for kind, count in zip(kinds, counts, strict=True)
    )
    return Mask(visible, masked, hidden.shape[1], skipped=hidden.shape[1] - sum(counts))


def _least(noise: Tensor, count: int) -> Tensor:
    """True at the ``count`` least of the last axis."""
    return noise.argsort(dim=-1).argsort(dim=-1) < count


def _part_of(parts: Sequence[Sequence[int]] | None, joints: int) -> Tensor:
    named = sorted(joint for part in parts or () for joint in part)
    if parts is None or named != list(range(joints)):
        raise ValueError(f"joint_mode='parts' needs parts that have each of {joints} joints once, got {parts}")
    part_of = torch.empty(joints, dtype=torch.long)
    for number, part in enumerate(parts):
        part_of[list(part)] = number
    return part_of


def motion_order(motion: Tensor, uniform: Tensor, *, temperature: float) -> Tensor:
    """Noise by which what moves most is likeliest hidden (MAMP, ICCV 2023, arXiv 2308.09884).

    Args:
        motion: How much each token moves, ``(B, N)``, at least 0.
        uniform: In [0, 1), ``(B, N)``.
        temperature: Of the softmax over shares of the greatest motion.

    Returns:
        ``(B, N)``: the least of it stays visible.
    """
    share = motion / (motion.amax(dim=1, keepdim=True) * temperature + 1e-10)
    gumbel = -torch.log(-torch.log(uniform + 1e-10) + 1e-10)
    return share.log_softmax(dim=1) + gumbel
