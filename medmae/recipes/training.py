"""What every training does, whatever it trains: it begins, fits, and leaves weights, a record and a report."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning.utilities import rank_zero_only
from torch import nn
from torch.utils.data import Dataset

from medmae.data.samples import Samples
from medmae.data.source import Source
from medmae.evaluate.provenance import write_made_by
from medmae.methods.base import Method
from medmae.recipes.about import about_training
from medmae.recipes.ct_window import said_of_ct
from medmae.recipes.finish import note_figures, record_training
from medmae.recipes.settings import settings_of
from medmae.recipes.shape_size import check_size
from medmae.recipes.start import clear_evaluation
from medmae.recipes.trainer import Trainer
from medmae.recipes.uses import data_for
from medmae.report import write_report
from medmae.report.text import spoken_count
from medmae.training.fitting import fit
from medmae.training.guard import require_batches
from medmae.training.loader import ResumableLoader
from medmae.training.module import MaskedModule
from medmae.training.plan import tell_plan
from medmae.weights.names import PRETRAINING


class Training(ABC):
    """A training as MONAI runs one: ``initialize``, ``run``, ``finalize``.

    Args:
        module: What is trained, with its optimiser, schedule and augmentation.
        trainer: Trains it; its ``default_root_dir`` is the run directory.
        train_loader: Batches to learn from; the record tells whom their source holds.
        validation: Held-out samples, read in batches as those of training are; none, or an empty one, is left out.
        network: What ``models/model.pt`` holds: the part that is given out, as a plain network.
        model_dir: Receives the weights.
        checkpoint: Resume from this file; ``newest``: from the newest complete one of the run.
        allow_changes: Resume although settings changed.
        device: Evaluates there, when training is over.
        title: Of the report.
        bundle: Its name.
        record: What a reader should know besides the settings of module, trainer and loader.
    """

    weights = PRETRAINING
    smaller: str | None = None  # command of the same training at a small size, for the plan

    def __init__(
        self,
        *,
        module: MaskedModule,
        trainer: Trainer,
        train_loader: ResumableLoader,
        validation: Dataset[Any] | None = None,
        network: nn.Module,
        model_dir: str | Path,
        checkpoint: str | Path | None = None,
        allow_changes: bool = False,
        device: torch.device | str = "cpu",
        title: str,
        bundle: str,
        record: Mapping[str, Any] | None = None,
    ) -> None:
        self.module, self.trainer, self.network = module, trainer, network
        self.train_loader, self.val_loader = train_loader, None
        if validation is not None:
            reading: dict[str, Any] = {name: getattr(train_loader, name) for name in ("batch_size", "num_workers")}
            self.val_loader = ResumableLoader(dataset=validation, shuffle=False, **reading)
        self.model_dir, self.device = Path(model_dir), device
        self.checkpoint, self.allow_changes = checkpoint, allow_changes
        self.title, self.bundle, self.record = title, bundle, dict(record or {})

    @property
    def method(self) -> Method:
        """What is trained."""
        return self.module.method

    @property
    def data(self) -> Source:
        """What it learns from, all splits of it."""
        return self.samples.source

    @property
    def samples(self) -> Samples:
        """Those that it learns from."""
        assert isinstance(self.train_loader.dataset, Samples)
        return self.train_loader.dataset

    @property
    def output_dir(self) -> Path:
        """The run directory."""
        return Path(self.trainer.default_root_dir)

    def initialize(self) -> None:  # noqa: B027 (many a training has nothing to begin with)
        """Before training: loads weights to begin with, and refuses what cannot end well."""

    def run(self) -> None:
        """Trains.

        Raises:
            DataError: If there is nothing to train on, nowhere to write, the checkpoint does not fit, or the CT of the
                data has several windows, or shapes are of another size than the network expects.
        """
        said_of_ct(self.data)
        check_size(self.method, self.data)
        self.tell_plan()
        fit(
            trainer=self.trainer,
            module=self.module,
            train_loader=self.train_loader,
            val_loader=self.val_loader,
            checkpoint=self.checkpoint,
            allow_changes=self.allow_changes,
        )

    def tell_plan(self) -> None:
        """Prints what is going to be done, on what, where and for about how long.

        Raises:
            DataError: If there is no batch to train on.
        """
        require_batches(self.train_loader, name="training")
        held = {} if self.val_loader is None else {"validation": len(self.val_loader.dataset)}  # type: ignore[arg-type]
        told = {} if self.checkpoint else {"run": self.module.run_id}  # a resumed one has that of its checkpoint
        told |= {"data": str(self.data.path)}
        whose = spoken_count(len(set(self.samples.subjects.tolist())), "subject")
        tell_plan(
            trainer=self.trainer,
            module=self.module,
            loader=self.train_loader,
            data={
                **told,
                "training": f"{spoken_count(len(self.samples), 'sample')} of {whose}",
                **{name: spoken_count(number, "sample") for name, number in held.items()},
            },
            smaller=self.smaller,
        )

    @property
    def axes(self) -> int:
        """How many axes its data have: two of slices and images, three of volumes and clips."""
        return len(next(iter(self.method.kinds.values())).axes)

    def data_for(self, wanted: str) -> Path | None:
        """Data that the weights can be used on, of which the training knows: see :func:`medmae.recipes.uses.data_for`.

        Args:
            wanted: In which form.
        """
        return data_for(wanted, train=self.samples, held_out=getattr(self, "held_out", None))

    @rank_zero_only
    def finalize(self) -> None:
        """Writes weights and the record of the run, evaluates on held-out samples, and reports.

        Raises:
            SomeFailedError: At the end, with what could not be read.
        """
        clear_evaluation(self.output_dir)
        hashes = record_training(
            method=self.method,
            network=self.network,
            trainer=self.trainer,
            dataset_dir=self.data,
            output_dir=self.output_dir,
            model_dir=self.model_dir,
            title=self.title,
            bundle=self.bundle,
            config={**settings_of(self.module, trainer=self.trainer, loader=self.train_loader), **self.record},
            about=about_training(
                self.method,
                run=self.module.run_id,
                data=self.data,
                view=self.samples.view.options,
                task=self.purpose(),
                before=self.before,
            ),
            whole=self.weights,
            before=self.before,
            samples=self.samples,
        )
        self.write_beside()
        run, weights = self.module.run_id, self.model_dir / self.weights
        made = {"run": run, "made_by": {"file": weights.name, "sha256": hashes[weights.name], "run": run}}
        write_made_by(self.output_dir / "evaluation", made)
        try:
            self.evaluate(self.output_dir / "evaluation", hashes)
        finally:
            note_figures(weights, self.output_dir, data=self.data, split="test", how=self.title, run=run)

    pretrained: str | Path | None = None  # what training begins with

    @property
    def before(self) -> tuple[str | Path, ...]:
        """Weights that it begins with, or that teach it; whom these have seen is recorded, too."""
        return () if self.pretrained is None else (self.pretrained,)

    def purpose(self) -> Mapping[str, Any] | None:
        """What is trained for, beside what the method does by itself: the header of the weights tells it."""
        return None

    def write_beside(self) -> None:  # noqa: B027 (many a training has nothing to add)
        """Writes what belongs to the weights, when they are there: what is written before would be another's."""

    @abstractmethod
    def evaluate(self, out: Path, hashes: Mapping[str, str]) -> None:
        """What is looked at when training is over, and the report.

        Args:
            out: Evaluation folder of the run.
            hashes: sha256 of the weights by file name.
        """

    def report(self) -> None:
        """Writes the report, and says where."""
        print(f"report: {write_report(self.output_dir)}")
