"""A bundle tried out at tiny size: read-only, on synthetic files, from a folder that is not its own."""

from __future__ import annotations

import contextlib
import logging
import math
from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback
from torch import nn

from medmae.bundle.check.copied import write_copy
from medmae.bundle.check.ids import merged
from medmae.bundle.check.source import Bundle
from medmae.bundle.run import run_bundle
from medmae.bundle.shipped import find_config, find_configs
from medmae.bundle.workflow import Workflow

MakeData = Callable[[str, Path], tuple[Path, Path]]  # (source, folder) -> (prepared data set, raw files)
_STOP_AFTER = 4  # steps; inside the first epoch


class TrainingFailedError(Exception):
    """The tiny training did not run; check 20 says why."""


class Trial:
    """What the dynamic checks share; each part is made when it is first asked for.

    Args:
        given: The bundle, which passed the static checks.
        settings: ``medmae_check`` of its metadata.
        work: Receives everything.
        make_data: Makes synthetic data of a source.
    """

    def __init__(self, *, given: Bundle, settings: dict[str, Any], work: Path, make_data: MakeData) -> None:
        self.settings, self.work, self._make_data = settings, work, make_data
        # A space and a letter beyond ASCII: users have such folders.
        self.bundle = work / "read only ü" / given.name
        write_copy(given, self.bundle)
        self._given = given
        self._protect(0o555, 0o444)
        self.before = self.snapshot()
        self.elsewhere = work / "elsewhere"
        self.elsewhere.mkdir()

    def close(self) -> None:
        """Makes the copy removable again."""
        self._protect(0o755, 0o644)

    def snapshot(self) -> dict[str, tuple[int, int]]:
        """Size and time of change of every file of the bundle."""
        files = (path for path in self.bundle.rglob("*") if path.is_file())
        return {str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in files}

    def config(self, name: str) -> str:
        """Path of a configuration."""
        return str(find_config(self.bundle, name))

    def configs(self, name: str) -> list[str]:
        """The same, after those that it is merged over."""
        return [str(path) for path in find_configs(self.bundle, name)]

    def metadata(self) -> str:
        """Path of the metadata."""
        return str(self.bundle / "configs" / "metadata.json")

    def overrides(self, name: str, output: Path) -> dict[str, Any]:
        """What makes a recipe tiny, and lets it write only below ``output``."""
        prepared, raw = self.data
        made = {
            "bundle_root": str(output),
            "output_dir": str(output),
            "dataset_dir": str(
                raw if name == "inference" and not self.settings.get("inference_takes_prepared") else prepared
            ),
        }
        if name != "train":
            made["model_dir"] = str(self.trained / "models")
        return {**self.settings.get("overrides", {}), **self.settings.get(name, {}), **made}

    def workflow(self, name: str, output: Path, **more: object) -> Workflow:
        """A recipe, not yet initialised."""
        return Workflow(merged(self._given, name), {**self.overrides(name, output), **more})

    def run(self, name: str) -> Path:
        """Runs a recipe through; gives the folder of its results."""
        output = self.work / f"{name} results"
        run_bundle(self.bundle, name, overrides=self.overrides(name, output))
        return output

    def train(
        self, output: Path, *, finalise: bool = False, stop: bool = False, checkpoint: Path | None = None
    ) -> list[float]:
        """Losses of a tiny training, step by step.

        Args:
            output: Its results.
            finalise: Also run what the recipe does at the end.
            stop: Break off after some steps, as a kill would, and leave ``stopped.ckpt``.
            checkpoint: Go on from there.
        """
        more = {"checkpoint": str(checkpoint)} if checkpoint else {}
        workflow = self.workflow("train", output, **more)
        workflow.initialize()
        recorder = _Recorder(output / "stopped.ckpt" if stop else None)
        workflow.parser.get_parsed_content("train::trainer").callbacks.append(recorder)
        try:
            workflow.run()
        except Exception:
            if not recorder.stopped:
                raise
        if finalise:
            workflow.finalize()
        return recorder.losses

    @cached_property
    def data(self) -> tuple[Path, Path]:
        """The prepared data set, and the raw files."""
        return self._make_data(self.settings["data"], self.work / "data")

    @cached_property
    def first(self) -> list[float] | Exception:
        """Losses of the first training, or why there are none."""
        try:
            return self.train(self.work / "trained", finalise=True)
        except Exception as error:  # a bundle may raise anything; check 20 reports it
            return error

    @property
    def losses(self) -> list[float]:
        """Losses of the first training.

        Raises:
            TrainingFailedError: If it failed.
        """
        if isinstance(self.first, Exception):
            raise TrainingFailedError from self.first
        return self.first

    @property
    def trained(self) -> Path:
        """Results of the first training."""
        assert self.losses is not None
        return self.work / "trained"

    @property
    def models(self) -> tuple[Path, dict[str, Any]]:
        """Folder of the weights that are checked, and the overrides of the network that they fit.

        Those that the bundle brings, or those that the tiny training wrote.
        """
        if (self.bundle / "models" / "model.pt").is_file():
            return self.bundle / "models", {}
        return self.trained / "models", self.settings.get("overrides", {})

    def network(self) -> nn.Module:
        """``network_def`` of inference with the weights of :attr:`models`, strictly loaded."""
        folder, overrides = self.models
        workflow = Workflow(self._given.config("inference"), overrides)
        network: nn.Module = workflow.parser.get_parsed_content("network_def")
        network.load_state_dict(torch.load(folder / "model.pt", weights_only=True, map_location="cpu"), strict=True)
        return network.eval()

    def _protect(self, folders: int, files: int) -> None:
        for path in [self.bundle, *self.bundle.rglob("*")]:
            path.chmod(folders if path.is_dir() else files)


class _Recorder(Callback):
    """Keeps the loss of every step; breaks off after some if told where to leave a checkpoint."""

    def __init__(self, checkpoint: Path | None) -> None:
        self.losses: list[float] = []
        self.checkpoint, self.stopped = checkpoint, False

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,  # noqa: ANN401
        batch: Any,  # noqa: ANN401
        batch_idx: int,
    ) -> None:
        """After the optimiser's step."""
        self.losses.append(float(outputs["loss"]))
        if self.checkpoint and len(self.losses) == _STOP_AFTER:
            trainer.save_checkpoint(self.checkpoint)
            self.stopped = True
            raise RuntimeError("stopped by the check")


def first_difference(expected: list[float], found: list[float]) -> int | None:
    """Number of the first step at which two rows of losses differ in any bit; None if they are the same."""
    if expected == found:
        return None
    pairs = zip(expected, found, strict=False)
    return next((step for step, (a, b) in enumerate(pairs) if a != b), min(len(expected), len(found)))


def all_finite(losses: list[float]) -> bool:
    """Whether none is NaN or infinite."""
    return all(map(math.isfinite, losses))


@contextlib.contextmanager
def quietly(log: Path) -> Iterator[None]:
    """Sends what trainers and exporters print into a file, and silences what they log."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with (
            log.open("a", encoding="utf-8") as file,
            contextlib.redirect_stdout(file),
            contextlib.redirect_stderr(file),
        ):
            yield
    finally:
        logging.disable(before)
