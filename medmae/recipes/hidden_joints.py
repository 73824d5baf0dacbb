"""Joints that were hidden, looked at when a training or an evaluation of skeletons is over."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from medmae.evaluate.skeletons.hidden_joints import evaluate_hidden_joints


@dataclass(frozen=True)
class HiddenJoints:
    """How far hidden joints are off, and skeletons that move; see :func:`evaluate_hidden_joints`.

    Attributes:
        train: Skeletons that were learnt from, as a test sees them, of which a mean is taken.
        pictures: How many samples to draw.
        worst: How many more, those with the largest errors.
        seed: Of what is hidden.
    """

    train: Any
    pictures: int = 4
    worst: int = 2
    seed: int = 0

    def write(self, *, method: Any, held_out: Any, train: Any, out: Path, device: torch.device | str) -> None:  # noqa: ANN401
        """Of held-out skeletons; without any, or of a method that rebuilds none, nothing is written."""
        if not len(held_out) or not method.rebuilds:
            return
        evaluate_hidden_joints(
            method=method,
            held_out=held_out,
            train=self.train,
            out=out,
            device=device,
            pictures=self.pictures,
            worst=self.worst,
            seed=self.seed,
        )
