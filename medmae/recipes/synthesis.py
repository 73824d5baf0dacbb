"""Training a network that makes missing contrasts, its evaluation, and its use."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from medmae.data.manifest import Manifest
from medmae.data.volumes.target_intensity import NAME, target_intensities
from medmae.errors import LaterFailures
from medmae.evaluate.reconstruct.reconstruction import DescribedDataset
from medmae.evaluate.synthesis.calibration_file import NAME as CALIBRATION
from medmae.evaluate.synthesis.calibration_file import FittedSpread, read_calibration, write_calibration
from medmae.evaluate.synthesis.evaluation import evaluate_synthesis
from medmae.evaluate.synthesis.network import Synthesiser
from medmae.evaluate.synthesis.synthesise import VolumeSynthesis
from medmae.evaluate.synthesis.uncertainty import calibration_tasks, fit_spread
from medmae.files import write_text
from medmae.methods.mt_unet import MTUNet
from medmae.recipes.ct_window import ct_window_of
from medmae.recipes.evaluation import Evaluation
from medmae.recipes.synthesis_task import (
    TARGET_INTENSITY,
    WEIGHTS,
    Contrasts,
    intensities_of,
    paired_subjects,
    require_task,
    task,
    write_task,
)
from medmae.recipes.synthesis_weights import load_pretrained, load_synthesis
from medmae.recipes.task_file import RUN
from medmae.recipes.training import Training
from medmae.weights.quality import made_by, sentence


class SynthesisTraining(Training):
    """Trains a network of pairs, or of any contrasts, on a pre-trained encoder, and evaluates whole volumes.

    Args:
        pretrained: ``pretraining.safetensors`` of an Edge-MAE run, or a published ``EdgeMAE.pth`` or ``E.pth``; None
            trains from scratch.
        held_out: Pairs of test subjects; if there are none, evaluation is left out and the report says so.
        source: Contrast that a network of pairs starts from.
        target: Contrast that it makes.
        contrasts: Channels of an any-to-any network, which has neither of these.
        uncertainty: Also calibrate the spread of test-time augmentation on validation subjects, and test it on others.
        training: Arguments of :class:`Training`; test subjects of its data must not have been pre-trained on.
    """

    weights = WEIGHTS

    def __init__(
        self,
        *,
        pretrained: str | Path | None,
        held_out: DescribedDataset,
        source: str | None,
        target: str | None,
        contrasts: Contrasts = None,
        uncertainty: bool = False,
        **training: Any,
    ) -> None:
        super().__init__(**training)
        self.pretrained, self.held_out, self.uncertainty = pretrained, held_out, uncertainty
        self.task: dict[str, Any] = {"source": source, "target": target, "contrasts": contrasts}
        self.record = {**self.task, "pretrained": pretrained, **self.record}

    @property
    def network_of_task(self) -> MTUNet:
        """What is trained."""
        assert isinstance(self.method, MTUNet)
        return self.method

    def initialize(self) -> None:
        """Loads the pre-trained encoder into encoder and feature extractor, and measures what is to be made.

        Raises:
            DataError: If the weights do not fit or have seen a test subject, no subject of the data set has a target,
                or there is no validation subject to calibrate on.
            ValueError: If there are no weights, and yet features are to be compared by them.
        """
        if self.uncertainty:
            calibration_tasks(manifest=self.manifest, **self.task)
        load_pretrained(self.network_of_task, self.pretrained, manifest=self.manifest)
        self.intensities = self._intensities()  # measured here, so that what cannot be is told before training

    def purpose(self) -> Mapping[str, Any]:
        """What is made of what, and with which intensities."""
        return {**task(**self.task), TARGET_INTENSITY: self.intensities}

    def write_beside(self) -> None:
        """The same for people, and whose pairs were seen."""
        run = self.module.run_id
        write_text(self.model_dir / NAME, json.dumps({RUN: run, **self.intensities}, indent=2) + "\n")
        write_task(self.model_dir, **self.task, manifest=Manifest.of(self.data), paired=self._paired(), run=run)

    def _paired(self) -> tuple[str, ...]:
        return tuple(sorted(set(self.samples.subjects.tolist())))

    def _intensities(self) -> dict[str, Any]:
        made = list(self.task["contrasts"] or [str(self.task["target"])])
        return target_intensities(manifest=Manifest.of(self.data), contrasts=made, subjects=self._paired())

    @property
    def manifest(self) -> Path:
        """Of the data set."""
        return self.data.path

    def finalize(self) -> None:
        """See :meth:`Training.finalize`; a calibration of an earlier training is of other weights."""
        (self.model_dir / CALIBRATION).unlink(missing_ok=True)
        super().finalize()

    def evaluate(self, out: Path, hashes: Mapping[str, str]) -> None:
        """Calibrates the spread if wanted, evaluates whole volumes, and reports."""
        batch_size = self.train_loader.batch_size
        synthesiser = Synthesiser.of(self.network_of_task, device=self.device, batch_size=batch_size)
        failures, fitted = LaterFailures(), None
        if self.uncertainty:
            val, tasks = calibration_tasks(manifest=self.manifest, **self.task)
            fitted, failed = fit_spread(synthesiser, tasks=tasks, cases=val)
            if fitted is not None:
                write_calibration(self.model_dir / CALIBRATION, fitted, weights_sha256=hashes[WEIGHTS])
            if failed:
                failures.add("the spread was not calibrated on everyone: " + "; ".join(failed))
        if len(self.held_out):
            paired = paired_subjects(self.model_dir, manifest=self.manifest)
            more: dict[str, Any] = {"uncertainty": fitted is not None, "calibration": fitted, "paired": paired}
            with failures.kept():
                evaluate_synthesis(synthesiser=synthesiser, manifest=self.manifest, out=out, **self.task, **more)
        self.report()
        failures.raise_any()


class SynthesisEvaluation(Evaluation):
    """Whole volumes of a split by trained weights, beside the source itself.

    Args:
        source: As in training; ``target`` and ``contrasts`` likewise.
        target: As in training.
        contrasts: As in training.
        smooth: As inference has it.
        uncertainty: Also evaluate the spread, calibrated as training left it, or on validation subjects.
        batch_size: Slices at once.
        evaluation: Arguments of :class:`Evaluation`; ``data`` is the manifest.
    """

    weights = WEIGHTS
    method: MTUNet

    def __init__(
        self,
        *,
        source: str | None,
        target: str | None,
        contrasts: Contrasts = None,
        smooth: float = 0.0,
        uncertainty: bool = False,
        batch_size: int = 16,
        **evaluation: Any,
    ) -> None:
        super().__init__(**evaluation)
        if self.split is None:
            raise ValueError("a synthesis is evaluated on one split: --split test")
        self.task: dict[str, Any] = {"source": source, "target": target, "contrasts": contrasts}
        self.uncertainty, self.smooth, self.batch_size = uncertainty, smooth, batch_size
        self.record = {**self.task, "smooth": smooth, **self.record}

    def load(self, path: Path) -> None:
        """All of the method, for the task that it was trained for."""
        load_synthesis(self.method, path.parent, **self.task)

    def evaluate(self, out: Path) -> None:
        """Figures, montages and the worst slices."""
        assert isinstance(self.data, str | Path)
        assert self.split is not None
        task = {**self.task, "source": None, "target": None} if self.task["contrasts"] else self.task
        options: dict[str, Any] = {"batch_size": self.batch_size, "smooth": self.smooth}
        evaluate_synthesis(
            synthesiser=Synthesiser.of(self.method, device=self.device, **options),
            manifest=self.data,
            out=out,
            paired=paired_subjects(self.model_dir, manifest=self.data),
            calibration=_stored_calibration(self.model_dir) if self.uncertainty else None,
            split=self.split,
            uncertainty=self.uncertainty,
            **task,
        )


class Synthesis(VolumeSynthesis):
    """Volumes in, a synthetic contrast out, by trained weights of a run.

    Args:
        method: Receives them.
        model_dir: Folder of ``synthesis.safetensors`` and ``task.json``.
        source: As in training; ``target`` and ``contrasts`` likewise.
        target: As in training.
        contrasts: As in training.
        targets: Of an any-to-any network: what to make, also where a case has it; None makes what a case lacks.
        options: Of :class:`~medmae.evaluate.synthesis.synthesise.VolumeSynthesis`.
    """

    wants = "volumes"
    weights = WEIGHTS

    def __init__(
        self,
        *,
        method: MTUNet,
        model_dir: str | Path,
        source: str | None,
        target: str | None,
        contrasts: Contrasts = None,
        targets: Contrasts = None,
        **options: Any,
    ) -> None:
        require_task(model_dir, source=source, target=target, contrasts=contrasts)  # before the rest of its files
        made = targets if contrasts else [str(target)]
        weights = Path(model_dir) / WEIGHTS
        options["target_intensity"] = intensities_of(weights, options.get("target_intensity"))
        super().__init__(method=method, weights=weights, targets=made, **options)
        self.model_dir, self.task = model_dir, {"source": source, "target": target, "contrasts": contrasts}

    def initialize(self) -> None:
        """Loads the weights; see :func:`load_synthesis`. CT is scaled by the window that they learnt from."""
        load_synthesis(self.method, self.model_dir, **self.task)  # type: ignore[arg-type]
        self.cases.ct_window = ct_window_of(Path(self.model_dir) / WEIGHTS)
        print(sentence(made_by(Path(self.model_dir) / WEIGHTS)))


def _stored_calibration(model_dir: str | Path) -> FittedSpread | None:
    """What training measured; None if it did not, and evaluation then fits its own."""
    path = Path(model_dir) / CALIBRATION
    return read_calibration(path, weights=Path(model_dir) / WEIGHTS) if path.is_file() else None
