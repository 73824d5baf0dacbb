"""Trainings of a tiny MAE, alone or in two processes on the CPU; writes what the tests compare.

    python -m tests.training.parallel_run OUT

Lightning starts the second process by running this command again, once for all strategies: its imports take longer than
the trainings.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytorch_lightning as pl
import torch
from pytorch_lightning.strategies import ModelParallelStrategy
from torch import Tensor
from torch.utils.data import DataLoader

from medmae.methods.mae import mae_tiny
from medmae.training import Checkpoints, MaskedModule, OptimizerSpec, WarmupCosine, fit
from medmae.training.checkpoints import checkpoints
from tests.training.toys import Blobs, trainer

SAMPLES, GLOBAL_BATCH, EPOCHS = 32, 8, 2
STRATEGIES = ("ddp", "fsdp2", "fsdp2 resumed")


class Numbered(Blobs):
    """Blobs that say which sample they are."""

    def __init__(self):
        super().__init__(SAMPLES, size=32)

    def __getitem__(self, index):
        return {"image": self.images[index], "index": torch.tensor(index)}


class Shares:
    """Batches in order; of each run of ``batch_size * processes`` samples, every process takes its part."""

    def __init__(self, batch_size: int):
        self.batch_size = batch_size

    def __len__(self):
        return SAMPLES // (self.batch_size * process()[1])

    def __iter__(self):
        rank, world = process()
        for first in range(rank * self.batch_size, SAMPLES, self.batch_size * world):
            yield list(range(first, first + self.batch_size))


def process() -> tuple[int, int]:
    if torch.distributed.is_initialized():
        return torch.distributed.get_rank(), torch.distributed.get_world_size()
    return 0, 1


class SampleMasks(MaskedModule):
    """A mask is a function of the epoch and the sample, whichever process has it; losses are averaged over all."""

    losses: list[float]

    def training_step(self, batch, batch_index: int) -> Tensor:
        seeds = (1000 * self.current_epoch + batch["index"]).tolist()
        noise = [torch.rand(16, generator=torch.Generator().manual_seed(seed)) for seed in seeds]
        mask = self.method.masking.sample(len(noise), noise=torch.stack(noise))
        output = self.method({"image": batch["image"]}, masks={"image": mask})
        self.guard.watch(batch, output)
        loss = output.loss
        self.losses.append(self.trainer.strategy.reduce(loss.detach().clone(), reduce_op="mean").item())
        return loss


def train(folder: Path, *, batch_size: int, resume: Path | None = None, **options) -> SampleMasks:
    """Trains; ``options`` are the Trainer's."""
    torch.manual_seed(0)
    spec = OptimizerSpec(base_lr=2e-3, scale_by_batch=False, weight_decay=0.05)
    method = mae_tiny(in_channels=1)
    module = SampleMasks(method=method, optimizer=spec, schedule=WarmupCosine(warmup_epochs=0.5))
    module.losses = []
    loader = DataLoader(Numbered(), batch_sampler=Shares(batch_size))
    made = trainer(folder, epochs=EPOCHS, use_distributed_sampler=False, **options)
    fit(trainer=made, module=module, train_loader=loader, checkpoint=resume)
    return module


def strategy_of(name: str) -> str | pl.strategies.Strategy:
    """What two processes do: one of :data:`STRATEGIES`."""
    if name == "ddp":
        return "ddp"
    return ModelParallelStrategy(data_parallel_size=2, tensor_parallel_size=1, save_distributed_checkpoint=False)


def train_by(name: str, out: Path) -> None:
    """Trains by a strategy and writes the curve and the weights."""
    options = {"batch_size": GLOBAL_BATCH // 2, "devices": 2}
    resume, earlier = None, []
    if name.endswith("resumed"):  # from the checkpoint in the middle of an earlier run
        saver = Checkpoints(folder=out / "checkpoints", every_steps=SAMPLES // GLOBAL_BATCH)
        options["enable_checkpointing"] = True
        earlier = train(out, strategy=strategy_of(name), callbacks=[saver], **options).losses[: SAMPLES // GLOBAL_BATCH]
        resume = checkpoints(out / "checkpoints")[-1]
    module = train(out, strategy=strategy_of(name), resume=resume, **options)
    if module.global_rank == 0:
        torch.save(module.method.state_dict(), out / "method.pt")
        (out / "losses.json").write_text(json.dumps([*earlier, *module.losses]))


def main() -> None:
    torch.set_num_threads(1)
    for name in STRATEGIES:
        folder = Path(sys.argv[1]) / name
        folder.mkdir(exist_ok=True)
        train_by(name, folder)
    if torch.distributed.is_initialized():  # or one process tears the connections down while the other still uses them
        torch.distributed.barrier()
        torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main()
