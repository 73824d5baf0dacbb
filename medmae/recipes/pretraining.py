"""Pre-training of a method, and what is looked at when it is over."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

import torch

from medmae.errors import SomeFailedError
from medmae.evaluate.leakage import require_unseen
from medmae.evaluate.left_out import raise_left_out
from medmae.evaluate.reconstruct.reconstruction import PANELS, DescribedDataset, evaluate_reconstruction, not_scorable
from medmae.methods.base import Method
from medmae.recipes.training import Training
from medmae.weights.bert import load_bert
from medmae.weights.parts import load_parts

log = logging.getLogger(__name__)


class Pictures(Protocol):
    """Something to look at besides reconstructions; what it writes is its own."""

    def write(
        self,
        *,
        method: Method,
        held_out: DescribedDataset,
        train: DescribedDataset,
        out: Path,
        device: torch.device | str,
    ) -> None:
        """Writes into the evaluation folder of a run.

        Args:
            method: Trained.
            held_out: Samples that it has not seen; maybe none.
            train: Samples that it has.
            out: The folder.
            device: Where to compute.
        """


class Pretraining(Training):
    """Trains a masked method, keeps all of it and its encoder, and shows what it rebuilds of held-out samples.

    Args:
        held_out: Samples of subjects that training never saw; if empty, evaluation is left out and the report says so.
        foreground: See :func:`~medmae.evaluate.reconstruct.reconstruction.evaluate_reconstruction`.
        pictures: What else is to be looked at.
        shown: Whether reconstructions are kept as pictures; False where samples show people who did not agree to that.
        pretrained: Weights that fill what the method ``begins`` with, of clips or pictures alone; None draws all anew.
        bert: Weights of a BERT by Hugging Face's names, with which words begin; see
            :func:`medmae.weights.bert.load_bert`. None draws them anew.
        teacher: Weights of the teacher that the method was given; whom they have seen, the student has seen, too.
        training: Arguments of :class:`Training`.

    Raises:
        ValueError: If a training begins with weights and has a teacher: only one of them could be recorded.
    """

    def __init__(
        self,
        *,
        held_out: DescribedDataset,
        foreground: bool = True,
        pictures: Pictures | None = None,
        shown: bool = True,
        pretrained: str | Path | None = None,
        bert: str | Path | None = None,
        teacher: str | Path | None = None,
        **training: Any,
    ) -> None:
        super().__init__(**training)
        if pretrained is not None and teacher is not None:
            raise ValueError("a training begins with weights or has a teacher: of both nobody could tell whom they saw")
        self.held_out, self.foreground, self.pictures, self.shown = held_out, foreground, pictures, shown
        self.pretrained, self.begins = teacher if pretrained is None else pretrained, pretrained is not None
        self.bert = bert
        begun = {"pretrained": pretrained, "bert": bert, "teacher": teacher}
        self.record = {**{name: path for name, path in begun.items() if path is not None}, **self.record}

    def initialize(self) -> None:
        """Loads what it begins with.

        Raises:
            DataError: If weights do not fit, or they or the teacher have seen a patient who is held out.
            ValueError: If a method that reads no words is to begin with a BERT.
        """
        if self.pretrained is not None:
            require_unseen(model_dir=Path(self.pretrained).parent, manifest=self.data)
        if self.begins and self.pretrained is not None:
            parts: Any = self.method.begins
            load_parts(self.method, self.pretrained, parts=parts)
        if self.bert is not None:
            report = load_bert(self.method, self.bert)
            print(f"words begin with {self.bert}:\n{report.table()}")

    def evaluate(self, out: Path, hashes: Mapping[str, str]) -> None:
        """Pictures, reconstructions and the report."""
        method = self.method
        if self.pictures is not None:
            data: dict[str, Any] = {"held_out": self.held_out, "train": self.samples}
            self.pictures.write(method=method, **data, out=out, device=self.device)
        if reason := not_scorable(method, getattr(self.held_out, "kinds", None)):
            log.warning("nothing is reconstructed: %s", reason)
        elif len(self.held_out):
            with suppress(SomeFailedError):  # none could be read: told below, when the report is written
                evaluate_reconstruction(
                    method=method,
                    dataset=self.held_out,
                    out=out,
                    foreground=self.foreground,
                    num_panels=PANELS if self.shown else 0,
                    device=self.device,
                )
        self.report()
        raise_left_out(out)
