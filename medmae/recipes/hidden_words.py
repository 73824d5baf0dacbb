"""Words that were hidden, looked at when a training or an evaluation of clips and captions is over."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from medmae.evaluate.words.hidden_words import evaluate_hidden_words


@dataclass(frozen=True)
class HiddenWords:
    """What hidden words cost beside baselines, and film strips; see :func:`evaluate_hidden_words`.

    Attributes:
        train: Clips with captions that were learnt from, where an evaluation has others; None takes those of training.
        strips: How many samples to draw.
    """

    train: Any = None
    strips: int = 6

    def write(self, *, method: Any, held_out: Any, train: Any, out: Path, device: torch.device | str) -> None:  # noqa: ANN401
        """Of held-out clips; without any nothing is written."""
        if not len(held_out):
            return
        evaluate_hidden_words(
            method=method,
            vocabulary=method.vocabulary,
            held_out=held_out,
            train=train if self.train is None else self.train,
            out=out,
            device=device,
            strips=self.strips,
        )
