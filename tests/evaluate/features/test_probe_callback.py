"""Probes between epochs of pre-training."""

from __future__ import annotations

import csv

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from PIL import Image
from pytorch_lightning.loggers import CSVLogger

from medmae.data import Pictures, Samples
from medmae.evaluate.features.probe_callback import ProbeDuringTraining
from medmae.methods.mae import mae_tiny
from medmae.training import MaskedModule, ResumableLoader, WarmupCosine


@pytest.fixture
def sets(tmp_path):
    """Images of two classes that mean intensity tells apart; ``labelled=False`` leaves the classes out."""

    def make(*, labelled=True, classes=2):
        labels = np.arange(40) % classes
        rng = np.random.default_rng(0)
        images = (rng.integers(0, 60, (40, 32, 32)) + 150 * labels[:, None, None]).astype(np.uint8)
        np.savez(tmp_path / "x.npz", images=images, **({"labels": labels} if labelled else {}))
        options = {"source": tmp_path / "x.npz", "view": Pictures(size=32, channels=1)}
        return (Samples(**options, split=split) for split in ("train", "test"))

    return make


def trained(folder, callbacks, data):
    torch.manual_seed(0)
    module = MaskedModule(method=mae_tiny(in_channels=1), schedule=WarmupCosine(warmup_epochs=1))
    trainer = pl.Trainer(
        max_epochs=5, accelerator="cpu", logger=CSVLogger(folder, name="", version="logs"), callbacks=callbacks,
        enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False, log_every_n_steps=1,
    )  # fmt: skip
    trainer.fit(module, ResumableLoader(dataset=data, batch_size=8))
    return list(csv.DictReader((folder / "logs" / "metrics.csv").open()))


def test_accuracies_are_logged_every_so_many_epochs_and_after_the_last(sets, tmp_path):
    train, val = sets()
    rows = trained(tmp_path, [ProbeDuringTraining(train=train, val=val, every_epochs=2)], train)
    probed = [row for row in rows if row.get("probe/neighbours")]
    assert [row["epoch"] for row in probed] == ["1", "3", "4"]
    assert float(probed[-1]["probe/regression"]) > 0.8


def test_beside_the_accuracies_stand_those_of_the_same_encoder_untrained_and_of_the_most_frequent_class(sets, tmp_path):
    train, val = sets()
    rows = trained(tmp_path, [ProbeDuringTraining(train=train, val=val, every_epochs=2)], train)
    probed = [row for row in rows if row.get("probe/neighbours")]
    for name in ("neighbours", "regression", "most_frequent_class"):
        figures = [row[f"probe_baseline/{name}"] for row in probed]
        assert figures[0]
        assert len(set(figures)) == 1  # the same throughout: it is not trained
    shares = np.bincount(val.labels) / len(val)
    assert float(probed[0]["probe_baseline/most_frequent_class"]) == pytest.approx(
        shares[np.bincount(train.labels).argmax()]
    )


def test_training_does_not_notice_that_it_is_probed(sets, tmp_path):
    train, val = sets()
    plain = trained(tmp_path / "a", [], train)
    probed = trained(tmp_path / "b", [ProbeDuringTraining(train=train, val=val, every_epochs=1)], train)
    losses = [[row["train/loss"] for row in rows if row["train/loss"]] for rows in (plain, probed)]
    assert losses[0] == losses[1]


@pytest.mark.parametrize("options", [{"labelled": False}, {"classes": 1}])
def test_without_classes_nothing_is_logged(sets, tmp_path, options):
    train, val = sets(**options)
    rows = trained(tmp_path, [ProbeDuringTraining(train=train, val=val, every_epochs=1)], train)
    assert "probe/neighbours" not in rows[0]


def test_an_image_that_cannot_be_read_is_left_out_and_training_goes_on(tmp_path):
    for number in range(24):
        path = tmp_path / "images" / ("train" if number < 16 else "test") / "ab"[number % 2] / f"{number:02d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (32, 32), 50 + 100 * (number % 2)).save(path)
    (tmp_path / "images" / "train" / "a" / "00.png").write_bytes(b"no image")
    sets = [
        Samples(source=tmp_path / "images", view=Pictures(size=32, channels=1), split=split)
        for split in ("train", "test")
    ]
    with pytest.warns(UserWarning, match=r"sample 0 .*is left out"):
        rows = trained(tmp_path, [ProbeDuringTraining(train=sets[0], val=sets[1], every_epochs=5)], sets[1])
    assert [row["probe/neighbours"] for row in rows if row.get("probe/neighbours")] == ["1.0"]
