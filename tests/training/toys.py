"""A data set, a module and a trainer small enough for a test."""

from pathlib import Path

import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader, Dataset

from medmae.methods.edge_mae import edge_mae_tiny
from medmae.training import MaskedModule, OptimizerSpec, WarmupCosine
from medmae.training.resume import AtomicCheckpointIO


class Blobs(Dataset):
    """Smooth random images: something a network can learn within steps."""

    def __init__(self, count: int = 16, *, size: int = 64):
        coarse = torch.rand(count, 1, 4, 4, generator=torch.Generator().manual_seed(0))
        self.images = torch.nn.functional.interpolate(coarse, size=(size, size), mode="bicubic").clamp(0, 1)

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        return {"image": self.images[index]}


def loader(count: int = 16, *, batch_size: int = 8, **options) -> DataLoader:
    return DataLoader(Blobs(count), batch_size=batch_size, **options)


def module(**options) -> MaskedModule:
    torch.manual_seed(0)
    spec = OptimizerSpec(base_lr=2e-3, scale_by_batch=False, weight_decay=0.0)
    return MaskedModule(
        **{"method": edge_mae_tiny(), "optimizer": spec, "schedule": WarmupCosine(warmup_epochs=0.0), **options}
    )


def trainer(folder: Path, *, epochs: int = 1, **options) -> pl.Trainer:
    quiet = {"enable_progress_bar": False, "enable_model_summary": False, "logger": False, "accelerator": "cpu"}
    quiet |= {"enable_checkpointing": False, "plugins": [AtomicCheckpointIO()]}
    return pl.Trainer(max_epochs=epochs, default_root_dir=folder, **{**quiet, **options})
