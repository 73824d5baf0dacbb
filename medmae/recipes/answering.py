"""Fine-tuning to answer questions about clips, its evaluation, and answers to what is asked."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from medmae.data.samples import Samples
from medmae.evaluate.words.answer_table import TABLE, answer_all
from medmae.evaluate.words.answers import evaluate_answers
from medmae.methods.answering import ACCEPTED, LOGITS, VideoQuestionAnswering
from medmae.methods.base import Batch
from medmae.recipes.evaluation import Evaluation
from medmae.recipes.maker import tell_maker
from medmae.recipes.task_training import TaskTraining
from medmae.weights.io import load_weights

WEIGHTS = "answering.safetensors"


class ByAnswers:
    """Judged by the share of questions whose likeliest answer counts, then by how likely those that count are."""

    name = "accuracy"

    def said(self, outputs: Mapping[str, Tensor], batch: Batch) -> tuple[np.ndarray, ...]:
        """Log-probabilities, and which answers count, ``(B, K)`` each."""
        return outputs[LOGITS].float().log_softmax(dim=1).cpu().numpy(), batch[ACCEPTED].cpu().numpy()

    def score(self, *said: np.ndarray) -> tuple[float, float]:
        """See :class:`medmae.recipes.best_epoch.Judge`; a question without a listed answer is wrong."""
        found, accepted = said
        right = np.take_along_axis(accepted, found.argmax(axis=1)[:, None], axis=1)
        known = accepted.sum(axis=1) > 0
        likely = (found * accepted).sum(axis=1)[known] / accepted.sum(axis=1)[known]
        return float(right.mean()), float(likely.mean()) if known.any() else 0.0


class AnswerTraining(TaskTraining):
    """Trains a method to answer, all of it, and tests it on held-out patients beside what needs no network.

    Args:
        validation: Questions of a view that draws nothing; baselines learn from those of its training split.
        training: Arguments of :class:`medmae.recipes.task_training.TaskTraining`.
    """

    weights = WEIGHTS

    of_any_method = True

    def __init__(self, *, validation: Samples, **training: Any) -> None:
        super().__init__(judge=ByAnswers(), validation=validation, **training)
        self.train = validation.part("train")
        method = _answering(self.method)
        self.record = {"answered by": method.by, "answers": len(method.answers), **self.record}

    def evaluate(self, out: Path, hashes: Mapping[str, str]) -> None:
        """Figures of held-out patients, and the report."""
        if len(self.held_out):
            method = _answering(self.method)
            evaluate_answers(method=method, held_out=self.held_out, train=self.train, out=out, device=self.device)
        self.report()


class AnswerEvaluation(Evaluation):
    """A method that answers, on held-out patients, beside baselines that learn where it did.

    Args:
        dataset: Held-out questions with known answers, of a view that draws nothing.
        train_dir: Prepared data, from whose training split baselines learn.
        evaluation: Arguments of :class:`medmae.recipes.evaluation.Evaluation`.
    """

    weights = WEIGHTS
    of_any_method = True

    def __init__(self, *, dataset: Samples, train_dir: str | Path, **evaluation: Any) -> None:
        super().__init__(data=dataset.source, split=dataset.split, **evaluation)
        self.dataset, self.train = dataset, dataset.part("train", source=train_dir)

    def load(self, path: Path) -> None:
        """All of the method."""
        load_weights(self.method, path)

    def evaluate(self, out: Path) -> None:
        """Accuracy, beside baselines and controls."""
        method = _answering(self.method)
        evaluate_answers(method=method, held_out=self.dataset, train=self.train, out=out, device=self.device)


class Answers:
    """Questions in; a table of their likeliest answers out.

    Args:
        method: Receives the weights.
        dataset: Questions about clips; they need no known answer.
        output_dir: Receives ``answers.csv``.
        model_dir: Folder of ``answering.safetensors``.
        best: Answers of each question.
        batch_size: Questions at once.
        device: Where to compute.
    """

    weights = WEIGHTS
    of_any_method = True

    def __init__(
        self,
        *,
        method: VideoQuestionAnswering,
        dataset: Samples,
        output_dir: str | Path,
        model_dir: str | Path,
        best: int = 3,
        batch_size: int = 16,
        device: torch.device | str = "cpu",
    ) -> None:
        self.method, self.dataset, self.best = method, dataset, best
        self.out, self.model_dir, self.batch_size, self.device = Path(output_dir), Path(model_dir), batch_size, device

    def initialize(self) -> None:
        """Loads the weights.

        Raises:
            DataError: If they do not fit.
        """
        load_weights(self.method, self.model_dir / self.weights)

    def run(self) -> None:
        """Answers; ``made_by.json`` beside the table says which weights made it, and how good they are."""
        tell_maker(self.model_dir / self.weights, out=self.out, table=TABLE)
        options: dict[str, Any] = {"out": self.out, "best": self.best, "batch_size": self.batch_size}
        answer_all(_answering(self.method), self.dataset, device=self.device, **options)


def _answering(method: object) -> VideoQuestionAnswering:
    if not isinstance(method, VideoQuestionAnswering):
        raise TypeError(f"a {type(method).__name__} answers no questions")
    return method
