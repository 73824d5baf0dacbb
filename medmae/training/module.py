"""The one LightningModule: makes any method learn."""

from __future__ import annotations

import copy
import math
import secrets
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.strategies import ModelParallelStrategy
from pytorch_lightning.utilities import rank_zero_warn
from torch import Tensor

from medmae.methods.base import Batch, MaskedMethod, Method, StepOutput, count_samples
from medmae.nn.checkpointing import checkpoint_activations
from medmae.training.compiled import Step, compiled_step
from medmae.training.finite import FiniteGuard
from medmae.training.optim import OptimizerSpec
from medmae.training.randomness import capture, restore
from medmae.training.schedule import Schedule, WarmupCosine
from medmae.training.settings import describe, describe_method
from medmae.training.shard import gather, shard

Augment = Callable[..., Tensor]  # augment(data, generator=...) -> data
BatchAugment = Callable[..., dict[str, Tensor]]  # augment(batch, generator=...) -> batch

_VALIDATION_SEED = 2**31 - 1


class MaskedModule(pl.LightningModule):
    """Wraps a method: optimiser groups, schedule, teacher update, logging.

    Args:
        method: The system to train.
        optimizer: Its optimiser.
        schedule: Its learning rate over time.
        augment: Training-time transforms of whole batches by name, e.g. ``{"image": MRPretrainAugment()}``; or one of
            everything in a batch, where several parts must move together, e.g. ``PairAugment()``.
        seed: Of masks, other draws of the method, and augmentation. Validation always draws the same masks, so that
            its losses compare.
        skip_limit: Steps in a row whose loss or gradient may be NaN or infinite; each is skipped, counted, and written
            to ``not_finite/`` of the run's folder with the samples at fault.
        recompute: Activation checkpointing: a fraction of the memory for about a quarter more arithmetic.
        compiled: Compile the training step (torch.compile); GPU only.

    Attributes:
        run_id: Of this training, in all that it writes; 16 hexadecimal digits.
    """

    def __init__(
        self,
        *,
        method: Method,
        optimizer: OptimizerSpec | None = None,
        schedule: Schedule | None = None,
        augment: Mapping[str, Augment] | BatchAugment | None = None,
        seed: int = 0,
        skip_limit: int = 10,
        recompute: bool = False,
        compiled: bool = False,
    ) -> None:
        super().__init__()
        self.method = method
        self.recompute, self.compiled = recompute, compiled
        self.optimizer_spec = optimizer or OptimizerSpec()
        self.schedule = schedule or WarmupCosine()
        self.augment = augment if callable(augment) else dict(augment or {})
        self.seed = seed
        self.run_id = secrets.token_hex(8)  # not drawn from what a seed fixes; a resumed training has that of the first
        self.generator = torch.Generator()  # on the CPU: one seed, the same masks on every device
        self.guard = FiniteGuard(limit=skip_limit)
        self._whole: tuple[Method, ...] = ()  # the method before it was sharded; a tuple hides it from nn.Module
        self._compiled_step: Step | None = None
        self._skipped = False
        self._position: dict[str, Any] | None = None
        self._states_to_restore: dict[str, Any] | None = None

    @property
    def progress(self) -> float:
        """Share of the planned optimiser steps that is done."""
        return min(self.global_step / max(self.trainer.estimated_stepping_batches, 1), 1.0)

    def setup(self, stage: str) -> None:
        """Gives each process its own masks; runs before a checkpoint is restored, which may then overwrite it."""
        self.generator.manual_seed(self.seed + self.global_rank)

    def configure_model(self) -> None:
        """Recomputation, shards and compilation, where they are wanted; every process knows its device by now."""
        if self._whole:  # Lightning asks again before it validates
            return
        if self.recompute:
            checkpoint_activations(self.method)
        if isinstance(self.trainer.strategy, ModelParallelStrategy) and self.device_mesh is not None:
            self._whole = (self.method,)
            self.method = copy.deepcopy(self.method)
            shard(self.method, mesh=self.device_mesh["data_parallel"])
        if self.compiled:
            self._compiled_step = compiled_step(self.method, device=self.trainer.strategy.root_device)

    def whole(self) -> Method:
        """The method that was handed in, with the weights of now also where it was sharded; all processes call this."""
        if self._whole:
            gather(self.method, into=self._whole[0])
        return self._whole[0] if self._whole else self.method

    def on_fit_end(self) -> None:
        """Puts sharded weights back into the method that was handed in."""
        self.method, self._whole = self.whole(), ()

    def training_step(self, batch: Batch, batch_index: int) -> Tensor:
        """One step; logs the loss, its terms and the learning rate."""
        data = self._augmented(batch)
        self.guard.begin(self.method)
        step = self._compiled_step or self.method
        output = step(data, generator=self.generator, progress=self.progress)
        self.guard.watch(data, output)
        self._log("train", output, samples=count_samples(batch), on_step=True)
        return output.loss

    def on_validation_epoch_start(self) -> None:
        """Fixes the masks of validation."""
        self._validation_generator = torch.Generator().manual_seed(_VALIDATION_SEED)

    def validation_step(self, batch: Batch, batch_index: int) -> dict[str, Tensor]:
        """The loss on held-out data, under the same masks every epoch; gives the predictions to callbacks."""
        output = self.method(batch, generator=self._validation_generator, progress=1.0)
        self._log("val", output, samples=count_samples(batch), on_step=False)
        return output.prediction

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Drops a gradient that is not finite: an optimiser does nothing where there is none, not even decay."""
        bad = self.guard.is_bad([parameter for group in optimizer.param_groups for parameter in group["params"]])
        self._skipped = self.trainer.strategy.reduce_boolean_decision(bad, all=False)
        if not self._skipped:
            self.guard.pass_on()
            return
        folder = Path(self.trainer.default_root_dir) / "not_finite"
        dataset = getattr(self.trainer.train_dataloader, "dataset", None)
        decide = partial(self.trainer.strategy.reduce_boolean_decision, all=False)
        rank = self.global_rank if self.trainer.world_size > 1 else None
        self.guard.skip(self.method, step=self.global_step, folder=folder, dataset=dataset, rank=rank, decide=decide)
        optimizer.zero_grad(set_to_none=True)

    def optimizer_step(self, *args: Any, **kwargs: Any) -> None:
        """Steps, then moves the teacher of methods that have one."""
        super().optimizer_step(*args, **kwargs)
        if not self._skipped:
            self.method.update_teacher(progress=self.progress)

    def configure_optimizers(self) -> dict[str, Any]:  # type: ignore[override]
        """The optimiser, and a schedule that is updated at every step from the fractional epoch."""
        self.trainer.fit_loop.setup_data()  # told how many steps to take, Lightning would not have loaded it yet
        steps = max(self.trainer.estimated_stepping_batches, 1)
        epochs = steps / math.ceil(self.trainer.num_training_batches / self.trainer.accumulate_grad_batches)
        batch_size = self._batch_size() * self.trainer.world_size * self.trainer.accumulate_grad_batches
        optimizer = self.optimizer_spec.build(self.method, batch_size=batch_size)
        peak = self.optimizer_spec.peak_lr(batch_size=batch_size)

        def factor(step: int) -> float:
            return self.schedule.value(step * epochs / steps, peak=peak, epochs=epochs) / peak

        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    def describe(self, *, trainer: pl.Trainer, loader: Any) -> dict[str, Any]:  # noqa: ANN401 (any that Lightning takes)
        """The settings that a resumed run must share with this one; see :mod:`medmae.training.settings`."""
        dataset, batch_size = getattr(loader, "dataset", None), int(loader.batch_size or 1)
        method = self._whole[0] if self._whole else self.method  # sharding gives classes other names
        return {
            "method": describe_method(method),
            "masking": describe(method.maskings) if isinstance(method, MaskedMethod) else None,
            "optimizer": describe(self.optimizer_spec),
            "schedule": describe(self.schedule),
            "augment": describe(self.augment),
            "data": getattr(dataset, "selection", None),
            "seed": self.seed,
            "recompute": self.recompute,
            "compiled": self.compiled,
            "precision": str(trainer.precision),
            "gradient_clipping": [trainer.gradient_clip_val, trainer.gradient_clip_algorithm],
            "epochs": trainer.max_epochs,
            "global_batch": batch_size * trainer.world_size * trainer.accumulate_grad_batches,
        }

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keeps the settings, and the state of every random number generator of every process."""
        states = {**capture(), "masks": self.generator.get_state()}
        everyone: list[dict[str, Any]] = [states] * self.trainer.world_size
        if self.trainer.world_size > 1:
            torch.distributed.all_gather_object(everyone, states)
        settings = self.describe(trainer=self.trainer, loader=self.trainer.train_dataloader)
        checkpoint["medmae"] = {"settings": settings, "random": everyone, "skipped": self.guard.skipped}
        checkpoint["medmae"]["run_id"] = self.run_id
        # Lightning keeps this, too, yet does not put it back where, as here, the loader is needed for the schedule.
        position = getattr(self.trainer.train_dataloader, "state_dict", None)
        checkpoint["medmae"]["position"] = position() if position else None

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Goes on with the random numbers that would have come next, if as many processes train as then."""
        kept = checkpoint["medmae"]
        self.run_id = kept.get("run_id", self.run_id)
        self._position = kept["position"]
        self.guard.skipped = kept["skipped"]
        if len(kept["random"]) == self.trainer.world_size:
            self._states_to_restore = kept["random"][self.global_rank]
        else:
            self.generator.manual_seed(self.seed + self.global_rank + 1000 * checkpoint["global_step"])
            rank_zero_warn(
                f"{len(kept['random'])} processes trained when this checkpoint was written, {self.trainer.world_size} "
                "do now: samples come in the same order, masks and augmentation are drawn anew"
            )

    def on_train_start(self) -> None:
        """Puts the loader to the batch that comes next."""
        if self._position is not None:
            self.trainer.train_dataloader.load_state_dict(self._position)  # type: ignore[union-attr]
            self._position = None

    def on_train_batch_start(self, batch: Batch, batch_index: int) -> None:
        """Last moment before the first step, after everything else that starting up draws random numbers for."""
        if self._states_to_restore is not None:
            self.generator.set_state(self._states_to_restore["masks"].cpu())
            restore(self._states_to_restore)
            self._states_to_restore = None
            self._begin_epoch()

    def _begin_epoch(self) -> None:
        """Resumed after the last batch of an epoch, Lightning forgets to count the next one as begun.

        A checkpoint written in that epoch would then claim that none had been under way.
        """
        progress = self.trainer.fit_loop.epoch_progress
        if progress.current.ready == progress.current.completed:
            progress.increment_ready()
            progress.increment_started()

    def _augmented(self, batch: Batch) -> dict[str, Tensor]:
        """Where samples are padded, ``real`` moves with them, or the network would be asked for padding."""
        if callable(self.augment):
            return self.augment(batch, generator=self.generator)
        data = dict(batch)
        for name in (name for name in batch if name in self.augment):
            transform: Any = self.augment[name]
            if "real" not in batch:
                data[name] = transform(batch[name], generator=self.generator)
                continue
            if not hasattr(transform, "move"):
                raise ValueError(f"the samples are padded, and {transform} cannot move their padding with the {name}")
            drawn = transform.draw(batch[name].shape, generator=self.generator)
            data[name], data["real"] = transform.apply(batch[name], drawn), transform.move(batch["real"], drawn)
        return data

    def _batch_size(self) -> int:
        loader: Any = self.trainer.train_dataloader
        return int(loader.batch_size or 1)

    def _log(self, stage: str, output: StepOutput, *, samples: int, on_step: bool) -> None:
        terms = {f"{stage}/{name}": value.detach() for name, value in output.terms.items()}
        kwargs: dict[str, Any] = {
            "on_step": on_step,
            "on_epoch": not on_step,
            "batch_size": samples,
            "sync_dist": not on_step,
        }
        self.log(f"{stage}/loss", output.loss.detach(), prog_bar=True, **kwargs)
        self.log_dict(terms, **kwargs)
        if on_step:
            momentum = self.method.momentum_at(self.progress)
            if momentum is not None:
                self.log("teacher_momentum", momentum, on_step=True)
            self.log("skipped_steps", float(self.guard.skipped), on_step=True)
            self.log("lr", self.trainer.optimizers[0].param_groups[0]["lr"], on_step=True)
