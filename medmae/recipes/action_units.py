"""Training of action units in two stages, teacher and student; evaluation under occlusion; time lines of videos."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from medmae.data.samples import Samples
from medmae.errors import DataError
from medmae.evaluate.faces.evaluation import LEVELS, evaluate_units
from medmae.evaluate.faces.readers import UnitMethod
from medmae.evaluate.faces.timeline import write_timelines
from medmae.evaluate.faces.unit_scores import UnitScores
from medmae.evaluate.leakage import require_unseen
from medmae.masking.occlusion import OCCLUSIONS, Occlusion
from medmae.methods.action_units import UNITS, ActionUnits
from medmae.methods.base import Batch, Method
from medmae.methods.occlusion_au import OcclusionAU
from medmae.nn.config import build
from medmae.objectives.action_units import unit_weights
from medmae.recipes.evaluation import Evaluation
from medmae.recipes.maker import tell_maker
from medmae.recipes.task_training import TaskTraining
from medmae.weights.io import load_weights
from medmae.weights.networks import read_networks

WEIGHTS = "units.safetensors"


class ByUnits:
    """Judged by the area under the ROC curve, which no threshold moves, then by F1 at one half."""

    name = "auroc"

    def __init__(self, names: Sequence[str]) -> None:
        self.task = UnitScores(names=names)

    def said(self, outputs: Mapping[str, Tensor], batch: Batch) -> tuple[np.ndarray, ...]:
        """What was coded, and shares, ``(B, K)`` each."""
        return batch["target"].cpu().numpy(), outputs[UNITS].float().cpu().numpy()

    def score(self, *said: np.ndarray) -> tuple[float, float]:
        """See :class:`medmae.recipes.best_epoch.Judge`; of validation faces that all show the same, one half."""
        found = self.task.scores(*said)
        return (0.5 if np.isnan(found["auroc"]) else found["auroc"]), found["f1"]


class UnitTraining(TaskTraining):
    """Trains a teacher on whole faces, or a student on occluded ones, and tests it on people who were not learnt from.

    Args:
        teacher: ``units.safetensors`` of the first stage, for a student; None: labels alone.
        begin: Whether the student's head begins as the teacher's.
        weighted: Whether units count by how rare they are among the training faces.
        occlusions: Kinds under which it is tested.
        levels: Shares of patches.
        show_faces: Whether pages show faces; else landmarks are drawn.
        training: Arguments of :class:`medmae.recipes.task_training.TaskTraining`.
    """

    weights = WEIGHTS

    def __init__(
        self,
        *,
        teacher: str | Path | None = None,
        begin: bool = True,
        weighted: bool = True,
        occlusions: Sequence[Occlusion] = OCCLUSIONS,
        levels: Sequence[float] = LEVELS,
        show_faces: bool = False,
        **training: Any,
    ) -> None:
        method = _reads_units(training["module"].method)
        super().__init__(judge=ByUnits(method.names), **training)
        self.teacher, self.begins_alike = teacher, begin
        if weighted:
            method.weigh(unit_weights(torch.from_numpy(self.samples.labels), names=self.samples.classes))
        self.evaluated: dict[str, Any] = {"occlusions": occlusions, "levels": levels, "show_faces": show_faces}
        self.record = {"units": list(method.names), "teacher": teacher, **self.record}

    def initialize(self) -> None:
        """Loads what it begins with, and the teacher.

        Raises:
            DataError: If weights do not fit, or have seen a test person.
        """
        super().initialize()
        if self.teacher is None:
            return
        if not isinstance(self.method, OcclusionAU):
            raise DataError(
                "a teacher is for a student, and this trains one of whole faces",
                field="teacher",
                value=str(self.teacher),
                remedy="leave it out, or train without the configuration `teacher`",
            )
        require_unseen(model_dir=Path(self.teacher).parent, manifest=self.data)
        self.method.learn_from(teacher_in(self.teacher, names=self.method.names), begin=self.begins_alike)

    @property
    def before(self) -> tuple[str | Path, ...]:
        """The teacher, too: what it learnt from its people the student has from it."""
        return super().before if self.teacher is None else (*super().before, self.teacher)

    def begin(self, path: str | Path) -> None:
        """Fills the encoder from a pre-training."""
        from medmae.weights.parts import load_parts

        own = "encoder" if isinstance(self.method, OcclusionAU) else "network.encoder"
        load_parts(self.method, path, parts={own: "encoder"})

    def evaluate(self, out: Path, hashes: Mapping[str, str]) -> None:
        """Figures of held-out people, and the report."""
        if len(self.held_out):
            assert self.val_loader is not None
            validation = self.val_loader.dataset
            assert isinstance(validation, Samples)
            evaluate_units(
                method=_reads_units(self.method),
                held_out=self.held_out,
                validation=validation,
                train=validation.part("train"),  # by a view that draws nothing
                out=out,
                device=self.device,
                **self.evaluated,
            )
        self.report()


class UnitEvaluation(Evaluation):
    """A trained teacher or student on held-out people, whole and occluded, beside baselines that learn where it did.

    Args:
        dataset: Held-out faces, of a view that draws nothing.
        train_dir: Of the data set on whose ``train`` split baselines learn, and whose ``val`` split gives thresholds.
        teacher: Of the student, to be judged beside it; None leaves it out.
        occlusions: Kinds.
        levels: Shares of patches.
        seeds: Of draws.
        show_faces: Whether pages show faces; else landmarks are drawn.
        evaluation: Arguments of :class:`medmae.recipes.evaluation.Evaluation`.
    """

    weights = WEIGHTS

    def __init__(
        self,
        *,
        dataset: Samples,
        train_dir: str | Path,
        teacher: str | Path | None = None,
        occlusions: Sequence[Occlusion] = OCCLUSIONS,
        levels: Sequence[float] = LEVELS,
        seeds: Sequence[int] = (0,),
        show_faces: bool = False,
        **evaluation: Any,
    ) -> None:
        super().__init__(data=dataset.source, split=dataset.split, **evaluation)
        self.dataset, self.teacher = dataset, teacher
        self.train, self.validation = (dataset.part(split, source=train_dir) for split in ("train", "val"))
        self.options: dict[str, Any] = {
            "occlusions": occlusions,
            "levels": levels,
            "seeds": seeds,
            "show_faces": show_faces,
        }

    def require_unseen(self) -> None:
        """Likewise of the teacher that is judged beside it."""
        super().require_unseen()
        if self.teacher is not None:
            folder = Path(self.teacher).parent
            require_unseen(model_dir=folder, manifest=self.data, split=self.split, allow=self.transductive)

    def load(self, path: Path) -> None:
        """All of the method; and its teacher, if one is given."""
        load_weights(self.method, path)
        if self.teacher is not None and isinstance(self.method, OcclusionAU):
            self.method.learn_from(teacher_in(self.teacher, names=self.method.names), begin=False)

    def evaluate(self, out: Path) -> None:
        """F1 by kind and level of occlusion."""
        evaluate_units(
            method=_reads_units(self.method),
            held_out=self.dataset,
            validation=self.validation,
            train=self.train,
            out=out,
            device=self.device,
            **self.options,
        )


class UnitTimelines:
    """Faces in; a table of their units by frame and a picture of each recording's time line out.

    Args:
        method: Receives the weights.
        dataset: Faces; they need no known units.
        output_dir: Receives ``units.csv`` and ``timelines/``.
        model_dir: Folder of ``units.safetensors``.
        batch_size: Faces at once.
        device: Where to compute.
    """

    weights = WEIGHTS

    def __init__(
        self,
        *,
        method: Method,
        dataset: Samples,
        output_dir: str | Path,
        model_dir: str | Path,
        batch_size: int = 64,
        device: torch.device | str = "cpu",
    ) -> None:
        self.method, self.dataset = _reads_units(method), dataset
        self.out, self.model_dir, self.batch_size, self.device = Path(output_dir), Path(model_dir), batch_size, device

    def initialize(self) -> None:
        """Loads the weights.

        Raises:
            DataError: If they do not fit.
        """
        load_weights(self.method, self.model_dir / self.weights)

    def run(self) -> None:
        """Reads all faces; ``made_by.json`` beside the table says which weights did, and how good they are."""
        tell_maker(self.model_dir / self.weights, out=self.out, table="units.csv")
        write_timelines(self.method, self.dataset, out=self.out, batch_size=self.batch_size, device=self.device)


def teacher_in(path: str | Path, *, names: Sequence[str]) -> Any:  # noqa: ANN401 - a UnitNetwork
    """The network of a first stage, from its file.

    Raises:
        DataError: If the file is of something else, or of other units.
    """
    config = read_networks(path).get("")
    method = None if config is None else build(config)
    if not isinstance(method, ActionUnits):
        raise DataError(
            "this file holds no teacher",
            path=path,
            field="teacher",
            value=type(method).__name__,
            remedy="name models/units.safetensors of `medmae run face_action_units train,teacher`",
        )
    if tuple(names) != tuple(method.names):
        raise DataError(
            "the teacher reads other units, or in another order",
            path=path,
            field="units",
            value=list(method.names),
            remedy="train the student on these, or another teacher",
        )
    load_weights(method, path)
    return method.network


def _reads_units(method: object) -> UnitMethod:
    if not isinstance(method, ActionUnits | OcclusionAU):
        raise TypeError(f"a {type(method).__name__} reads no action units")
    return method
