"""Fault 25 in training and evaluation: samples that lack a modality train beside those that have it."""

from __future__ import annotations

import csv

import pytest
import pytorch_lightning as pl
import torch
from torch.utils.data import Dataset

from medmae.evaluate.reconstruct.reconstruction import evaluate_reconstruction
from medmae.methods.he_mmae import he_mmae_tiny
from medmae.training import MaskedModule, OptimizerSpec, ResumableLoader, WarmupCosine, fit

NAN = float("nan")


class Lacking(Dataset):
    """Eight tiles; those of the second patient have no hematoxylin, and what stands in its place is not a number."""

    def __len__(self):
        return 8

    def __getitem__(self, index):
        generator = torch.Generator().manual_seed(index)
        there = index < 4
        return {
            "rgb": torch.rand(3, 32, 32, generator=generator),
            "h": torch.rand(1, 32, 32, generator=generator) if there else torch.full((1, 32, 32), NAN),
            "e": torch.rand(1, 32, 32, generator=generator),
            "available": torch.tensor([True, there, True]),
            "index": index,
        }

    def describe(self, index):
        return {"case": f"p{index // 4}", "subject": f"p{index // 4}", "tile": str(index)}


@pytest.fixture
def method():
    torch.manual_seed(0)
    return he_mmae_tiny()


def batch_of(*numbers):
    items = [Lacking()[number] for number in numbers]
    return {name: torch.stack([torch.as_tensor(item[name]) for item in items]) for name in items[0]}


def test_fault_25_what_a_sample_lacks_is_wholly_masked_and_the_others_get_the_whole_budget(method):
    mask = method.draw_masks(batch_of(0, 1, 4, 5, 6), generator=torch.Generator().manual_seed(0))["modalities"]
    seen = method.modalities.split(~mask.as_bool()).sum(dim=2)  # (B, T)
    assert seen[2:, 1].tolist() == [0, 0, 0]
    assert seen.sum(dim=1).tolist() == [method.masking.num_visible] * 5


def test_fault_25_no_loss_and_no_gradient_comes_from_what_is_lacking(method):
    out = method(batch_of(4, 5), generator=torch.Generator().manual_seed(0))
    assert out.terms["h"] == 0
    out.loss.backward()
    gradients = [parameter.grad for parameter in method.parameters() if parameter.grad is not None]
    assert all(gradient.isfinite().all() for gradient in gradients)
    assert not method.adapters["h"].proj.weight.grad.any()


def test_fault_25_a_run_on_such_samples_skips_no_step(method, tmp_path):
    module = MaskedModule(
        method=method,
        optimizer=OptimizerSpec(base_lr=1e-3, scale_by_batch=False),
        schedule=WarmupCosine(warmup_epochs=0),
    )
    trainer = pl.Trainer(
        max_epochs=2,
        accelerator="cpu",
        default_root_dir=tmp_path,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
    )
    fit(trainer=trainer, module=module, train_loader=ResumableLoader(dataset=Lacking(), batch_size=2))
    assert trainer.global_step == 8
    assert module.guard.skipped == 0
    assert all(parameter.isfinite().all() for parameter in method.parameters())


def test_fault_25_evaluation_leaves_out_what_is_lacking_and_judges_the_rest(method, tmp_path):
    evaluate_reconstruction(method=method, dataset=Lacking(), out=tmp_path, foreground=False)
    rows = list(csv.DictReader((tmp_path / "reconstruction.csv").open()))
    assert [(row["case"], row["contrast"]) for row in rows] == [
        *(("p0", name) for name in ("e", "h", "rgb")),
        *(("p1", name) for name in ("e", "rgb")),
    ]
    assert "nan" not in (tmp_path / "reconstruction.csv").read_text()
