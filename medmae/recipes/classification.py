"""Fine-tuning a classifier on a pre-trained encoder, and its evaluation, maps and predictions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

import torch
from torch import nn

from medmae.data.samples import Samples
from medmae.errors import DataError, check_choice
from medmae.evaluate.classify.multi_label import MultiLabel
from medmae.evaluate.classify.predictions import TABLE, predict_images
from medmae.evaluate.classify.single_label import SingleLabel
from medmae.evaluate.classify.task import Trainable
from medmae.evaluate.classify.trained import evaluate_trained, require_classes
from medmae.evaluate.classify.ways import ways_of
from medmae.evaluate.slides.class_maps import map_trained
from medmae.methods.classification import Classification
from medmae.methods.stream_classification import StreamClassification
from medmae.nn.bottleneck import BottleneckEncoder
from medmae.nn.fused_encoder import FusedEncoder
from medmae.nn.init import initialise_truncated
from medmae.recipes.best_epoch import ByTask
from medmae.recipes.classifier_file import WEIGHTS, load_classifier
from medmae.recipes.evaluation import Evaluation
from medmae.recipes.maker import tell_maker
from medmae.recipes.shape_size import check_size
from medmae.recipes.task_file import RUN, write_record
from medmae.recipes.task_training import TaskTraining
from medmae.weights.pretrained import load_encoder
from medmae.weights.trained import encoder_of

FromScratch = Literal["as_built", "truncated_normal"]


class FineTuning(TaskTraining):
    """Trains a classifier, all of its encoder, and tests it on held-out patients beside what colour alone says.

    Args:
        pretrained: ``pretraining.safetensors``; None trains from scratch.
        from_scratch: How linear layers of the encoder begin then: ``as_built``, Xavier-uniform in the MAE family, or
            ``truncated_normal`` of deviation 0.02 (VideoMAE's fine-tuning).
        train: Samples to learn from, as they are: baselines learn from them, too.
        classes: In the order of the outputs.
        training: Arguments of :class:`medmae.recipes.task_training.TaskTraining`.
    """

    weights = WEIGHTS

    def __init__(
        self,
        *,
        pretrained: str | Path | None,
        train: Samples,
        classes: Sequence[str],
        from_scratch: FromScratch = "as_built",
        **training: Any,
    ) -> None:
        super().__init__(pretrained=pretrained, judge=ByTask(_task(train, classes)), **training)
        check_choice(from_scratch, get_args(FromScratch), name="from_scratch")
        self.from_scratch, self.train, self.classes = from_scratch, train, list(classes)
        self.record = {"classes": self.classes, **self.record}

    def initialize(self) -> None:
        """Loads the pre-trained encoder.

        Raises:
            DataError: If a class has nothing to learn from, or the weights do not fit or have seen a test patient.
        """
        if self.train.task == "single_label":
            require_classes(self.train)
        super().initialize()

    def begin(self, path: str | Path) -> None:
        """Takes the encoder alone, of a file of any layout."""
        encoder = self.method.encoder
        if not isinstance(encoder, BottleneckEncoder):
            load_encoder(self.method, path)
            return
        try:
            encoder.take(_fused(path))
        except ValueError as error:
            raise DataError(
                str(error), path=path, remedy="build the network with the sizes of these weights"
            ) from error

    def begin_from_scratch(self) -> None:
        """See ``from_scratch``."""
        if self.from_scratch == "truncated_normal":
            initialise_truncated(self.method.encoder)

    def purpose(self) -> Mapping[str, Any]:
        """Which classes, in the order of the outputs."""
        return {"classes": self.classes}

    def write_beside(self) -> None:
        """The same for people, in ``task.json``."""
        write_record(self.model_dir, {RUN: self.module.run_id, **self.purpose()})

    def evaluate(self, out: Path, hashes: Mapping[str, str]) -> None:
        """Figures of held-out patients, and the report."""
        if len(self.held_out):
            evaluate_trained(
                **_asked(self.method, self.network),
                train=self.train,
                held_out=self.held_out,
                out=out,
                device=self.device,
            )
        self.report()


class _OfClassifier(Evaluation):
    """One of a trained classifier; ``network`` is what gives its logits, ``classes`` are those of its outputs."""

    weights = WEIGHTS
    method: Classification | StreamClassification

    def __init__(self, *, network: nn.Module, classes: Sequence[str], dataset: Samples, **evaluation: Any) -> None:
        super().__init__(data=dataset.source, split=dataset.split, **evaluation)
        self.network, self.classes, self.dataset = network, list(classes), dataset
        self.record = {"classes": self.classes, **self.record}

    def load(self, path: Path) -> None:
        """The whole classifier, for the classes that it was trained for."""
        load_classifier(self.method, path.parent, classes=self.classes)


class ClassifierEvaluation(_OfClassifier):
    """A trained classifier on held-out patients, beside baselines that learn where it did.

    Args:
        train: What baselines learn from.
        classifier: ``network``, which gives logits, ``classes``, in the order of its outputs, and ``dataset``, samples
            that are held out; and arguments of :class:`Evaluation`.
    """

    def __init__(self, *, train: Samples, **classifier: Any) -> None:
        super().__init__(**classifier)
        self.train = train

    def evaluate(self, out: Path) -> None:
        """Figures of each class."""
        evaluate_trained(
            **_asked(self.method, self.network),
            train=self.train,
            held_out=self.dataset,
            out=out,
            device=self.device,
        )


class SlideMaps(_OfClassifier):
    """Whole slides mapped by a trained classifier; see :func:`~medmae.evaluate.slides.class_maps.map_trained`.

    Args:
        shown: Classes to draw; None draws all.
        edge: Longer side of a picture of a slide, in pixels.
        classifier: As in :class:`ClassifierEvaluation`; ``dataset`` are tiles of the slides.
    """

    wants = "slides"
    measures = False

    def __init__(self, *, shown: Sequence[str] | None = None, edge: int = 1024, **classifier: Any) -> None:
        super().__init__(**classifier)
        self.shown, self.edge = shown, edge
        self.record = {"shown": shown, **self.record}

    def require_unseen(self) -> None:
        """Maps are no figures: they may be of anybody."""

    def evaluate(self, out: Path) -> None:
        """Pictures, GeoJSON and tables."""
        shown: dict[str, Any] = {"classes": self.classes, "shown": self.shown, "edge": self.edge}
        map_trained(slides=self.dataset, network=self.network, out=out, device=self.device, **shown)


class Prediction:
    """Images in; a table of their probabilities out.

    Args:
        method: Receives the weights.
        network: What of it gives logits.
        dataset: Images; they need no class.
        classes: In the order of the outputs.
        output_dir: Receives ``predictions.csv``.
        model_dir: Folder of ``classifier.safetensors``.
        batch_size: Images at once.
        num_workers: Processes that read images.
        device: Where to compute.
    """

    weights = WEIGHTS

    def __init__(
        self,
        *,
        method: Classification | StreamClassification,
        network: nn.Module,
        dataset: Samples,
        classes: Sequence[str],
        output_dir: str | Path,
        model_dir: str | Path,
        batch_size: int = 64,
        num_workers: int = 0,
        device: torch.device | str = "cpu",
    ) -> None:
        self.method, self.network, self.model_dir, self.classes = method, network, Path(model_dir), list(classes)
        self.options: dict[str, Any] = {"images": dataset, "out": output_dir, "device": device}
        self.options |= {"batch_size": batch_size, "num_workers": num_workers}

    def initialize(self) -> None:
        """Loads the classifier; see :func:`~medmae.recipes.classifier_file.load_classifier`."""
        load_classifier(self.method, self.model_dir, classes=self.classes)
        check_size(self.method, self.options["images"].source)

    def run(self) -> None:
        """Predicts; see :func:`~medmae.evaluate.classify.predictions.predict_images`.

        Beside the table ``made_by.json`` says which weights made it, and how good they were found to be.
        """
        tell_maker(self.model_dir / self.weights, out=self.options["out"], classes=self.classes, table=TABLE)
        kinds = tuple(self.method.encoder.kinds)
        asked: dict[str, Any] = {"network": self.network, "name": kinds[0]}
        if isinstance(self.method, StreamClassification):  # what is given out of it, ``network``, is of one kind
            asked = {"network": self.method.network, "name": kinds, "several": self.method.labels == "several"}
        predict_images(classes=self.classes, **asked, **self.options)


def _task(train: Samples, classes: Sequence[str]) -> Trainable:
    return (MultiLabel if train.task == "multi_label" else SingleLabel)(classes=list(classes))


def _asked(method: Any, network: nn.Module) -> dict[str, Any]:  # noqa: ANN401 - what both have is asked for
    """What gives logits, and what it is given: its kind of data, or several, each choice by which it says something."""
    if isinstance(method, StreamClassification):  # what is given out of it, ``network``, is of one kind
        return {"network": method.network, "ways": ways_of(method.network.choices)}
    return {"network": network, "name": method.encoder.kind.name}


def _fused(path: str | Path) -> FusedEncoder:
    encoder = encoder_of(path)
    if not isinstance(encoder, FusedEncoder):
        raise ValueError(f"these weights are of a {type(encoder).__name__}, of no encoder of several kinds of data")
    return encoder
