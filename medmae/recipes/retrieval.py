"""Fine-tuning to find clips by sentences, its evaluation, and looking clips up by sentences."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from medmae.data.samples import Samples
from medmae.data.video.captioned import CaptionedClips
from medmae.data.video.clips import Clips
from medmae.errors import DataError
from medmae.evaluate.classify.retrieval import expected_ranks, found_within, standings
from medmae.evaluate.classify.trained import evaluate_trained
from medmae.evaluate.words.lookup import TABLE, look_up
from medmae.evaluate.words.video_text import evaluate_video_text
from medmae.methods.base import Batch, Method
from medmae.methods.prompts import PromptedClassifier
from medmae.methods.retrieval import CLIPS, SENTENCES, Retriever
from medmae.recipes.evaluation import Evaluation
from medmae.recipes.maker import tell_maker
from medmae.recipes.task_training import TaskTraining
from medmae.tokens.text import WORDS, Vocabulary
from medmae.weights.io import load_weights

WEIGHTS = "retrieval.safetensors"
Prompts = Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class ByRecall:
    """Points of clips and sentences judged by recall at 1, the mean of both ways, then by ranks.

    Args:
        likeness: Of sentences ``(B, P)`` and clips ``(K, P)``.
    """

    likeness: Callable[[Tensor, Tensor], Tensor]

    name = "recall at 1"

    def said(self, outputs: Mapping[str, Tensor], batch: Batch) -> tuple[np.ndarray, ...]:
        """Points of both, and words, for equal ones are all right."""
        points = (outputs[name].float().cpu().numpy() for name in (CLIPS, SENTENCES))
        return (*points, batch[WORDS.name].cpu().numpy())

    def score(self, *said: np.ndarray) -> tuple[float, float]:
        """See :class:`medmae.recipes.best_epoch.Judge`."""
        clips, sentences, words = said
        found = self.likeness(torch.from_numpy(sentences), torch.from_numpy(clips)).numpy()
        same = (words[:, None] == words[None]).all(axis=2)
        both = [standings(each, same) for each in (found, found.T)]
        recall = float(np.mean([found_within(each, 1) for each in both]))
        return recall, -float(np.mean([expected_ranks(each) for each in both]))


class RetrievalTraining(TaskTraining):
    """Trains a retriever, all of it, and tests it on held-out patients beside what needs no network.

    Args:
        validation: Clips of a view that draws nothing; baselines learn from those of its training split.
        top: See :func:`medmae.evaluate.words.video_text.evaluate_video_text`.
        prompts: Sentences of each class, for naming clips without a label; None leaves that out.
        training: Arguments of :class:`medmae.recipes.task_training.TaskTraining`.
    """

    weights = WEIGHTS

    of_any_method = True

    def __init__(self, *, validation: Samples, top: int = 0, prompts: Prompts | None = None, **training: Any) -> None:
        method = training["module"].method
        super().__init__(judge=ByRecall(_retriever(method).likeness), validation=validation, **training)
        self.train, self.top, self.prompts = validation.part("train"), top, prompts
        self.record = {"top": top, **self.record}

    def initialize(self) -> None:
        """See :meth:`TaskTraining.initialize`; what cannot be evaluated is refused before training."""
        _check(self.method, self.top, self.prompts, self.train)
        super().initialize()

    def evaluate(self, out: Path, hashes: Mapping[str, str]) -> None:
        """Figures of held-out patients, and the report."""
        if len(self.held_out):
            asked: dict[str, Any] = {"top": self.top, "prompts": self.prompts}
            _evaluate(self.method, self.held_out, self.train, out=out, device=self.device, **asked)
        self.report()


class RetrievalEvaluation(Evaluation):
    """A trained retriever on held-out patients, beside baselines that learn where it did.

    Args:
        dataset: Held-out clips with captions, of a view that draws nothing.
        train_dir: Prepared data, from whose training split baselines learn.
        top: See :func:`medmae.evaluate.words.video_text.evaluate_video_text`.
        prompts: Sentences of each class, for naming clips without a label; None leaves that out.
        evaluation: Arguments of :class:`medmae.recipes.evaluation.Evaluation`.
    """

    weights = WEIGHTS

    of_any_method = True

    def __init__(
        self,
        *,
        dataset: Samples,
        train_dir: str | Path,
        top: int = 0,
        prompts: Prompts | None = None,
        **evaluation: Any,
    ) -> None:
        super().__init__(data=dataset.source, split=dataset.split, **evaluation)
        self.dataset, self.train = dataset, dataset.part("train", source=train_dir)
        self.top, self.prompts = top, prompts
        self.record = {"top": top, **self.record}

    def load(self, path: Path) -> None:
        """All of the method."""
        _check(self.method, self.top, self.prompts, self.train)
        load_weights(self.method, path)

    def evaluate(self, out: Path) -> None:
        """Retrieval both ways, and naming by prompts."""
        asked: dict[str, Any] = {"top": self.top, "prompts": self.prompts}
        _evaluate(self.method, self.dataset, self.train, out=out, device=self.device, **asked)


class Lookup:
    """Sentences in; a table of the clips out that are likest to each.

    Args:
        method: Receives the weights.
        dataset: Clips; they need no caption.
        queries: Sentences.
        output_dir: Receives ``found.csv``.
        model_dir: Folder of ``retrieval.safetensors``.
        best: How many clips of each sentence.
        max_words: Longer sentences lose their end, which is told.
        batch_size: Clips at once.
        device: Where to compute.
    """

    weights = WEIGHTS
    of_any_method = True

    def __init__(
        self,
        *,
        method: Method,
        dataset: Samples,
        queries: Sequence[str],
        output_dir: str | Path,
        model_dir: str | Path,
        best: int = 10,
        max_words: int = 32,
        batch_size: int = 16,
        device: torch.device | str = "cpu",
    ) -> None:
        self.method, self.dataset, self.queries, self.best = method, dataset, list(queries), best
        self.out, self.model_dir = Path(output_dir), Path(model_dir)
        self.max_words, self.batch_size, self.device = max_words, batch_size, device

    def initialize(self) -> None:
        """Loads the weights.

        Raises:
            DataError: If they do not fit.
        """
        load_weights(self.method, self.model_dir / self.weights)

    def run(self) -> None:
        """Looks up; ``made_by.json`` beside the table says which weights made it, and how good they are."""
        tell_maker(self.model_dir / self.weights, out=self.out, table=TABLE)
        look_up(
            self.queries,
            retriever=_retriever(self.method),
            vocabulary=_vocabulary(self.method),
            clips=self.dataset,
            out=self.out,
            best=self.best,
            max_words=self.max_words,
            batch_size=self.batch_size,
            device=self.device,
        )


def _evaluate(
    method: Method,
    held_out: Samples,
    train: Samples,
    *,
    out: Path,
    device: torch.device | str,
    top: int,
    prompts: Prompts | None,
) -> None:
    retriever = _retriever(method)
    evaluate_video_text(retriever=retriever, held_out=held_out, train=train, out=out, top=top, device=device)
    if not prompts:
        return
    view = held_out.view
    assert isinstance(view, CaptionedClips)
    words = [view.encoded(list(some)).words.to(device) for some in prompts.values()]
    method.to(device).eval()
    evaluate_trained(
        network=PromptedClassifier(retriever, words),
        name="image",
        train=_labelled(train, list(prompts)),
        held_out=_labelled(held_out, list(prompts)),
        out=out,
        device=device,
        by="zero-shot by prompts",
    )


def _labelled(samples: Samples, classes: Sequence[str]) -> Samples:
    """The same clips, of these classes, whether anything is said of them or not."""
    view = Clips(**{option.name: getattr(samples.view, option.name) for option in fields(Clips)})
    return Samples(source=samples.source, split=samples.split, classes=classes, view=view)


def _check(method: Method, top: int, prompts: Prompts | None, train: Samples) -> None:
    if top and not _retriever(method).matches:
        raise DataError(
            "nothing here looks at pairs: there is no matching layer",
            field="top",
            value=top,
            remedy="rank by likeness alone (--top 0), or train with --matching 1",
        )
    if prompts is None:
        return
    if len(prompts) < 2 or not all(isinstance(some, list | tuple) and some for some in prompts.values()):
        raise DataError(
            "prompts are a list of sentences for each of two classes at least",
            field="prompts",
            value=dict(prompts),
            remedy="write {left: [it moves left, to the left], right: [it moves right]}",
        )
    _labelled(train, list(prompts))


def _retriever(method: Method) -> Retriever:
    if not isinstance(method, Retriever):
        raise TypeError(f"a {type(method).__name__} finds no clips by sentences: give a retriever")
    return method


def _vocabulary(method: Method) -> Vocabulary:
    found = getattr(method, "vocabulary", None)
    if found is None:
        raise DataError(
            "these weights do not say which words they know",
            field="vocabulary",
            remedy="train with a vocabulary, which weights keep",
        )
    assert isinstance(found, Vocabulary)
    return found
