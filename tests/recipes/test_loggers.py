"""What a training may be watched with, by one word."""

from __future__ import annotations

import csv
import importlib
import re
import sys
from pathlib import Path

import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.loggers import CSVLogger, TensorBoardLogger

from medmae.bundle.run import run_bundle
from medmae.bundle.shipped import shipped
from medmae.doctor import install_hint
from medmae.errors import DataError, mistake
from medmae.recipes import Trainer
from medmae.recipes import loggers as module
from medmae.recipes.loggers import LOGGERS, loggers


class Line(pl.LightningModule):
    """The smallest thing that trains."""

    def __init__(self) -> None:
        super().__init__()
        self.line = torch.nn.Linear(2, 1)

    def training_step(self, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        loss = self.line(batch["image"]).mean()
        self.log("train/loss", loss)
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)


def fit(root: Path, logger: str | None) -> None:
    trainer = Trainer(
        default_root_dir=root, max_epochs=2, logger=logger, log_every_n_steps=1, enable_progress_bar=False
    )
    trainer.fit(Line(), torch.utils.data.DataLoader([{"image": torch.rand(2)} for _ in range(4)], batch_size=2))


def losses(root: Path) -> list[str]:
    with (root / "logs" / "metrics.csv").open() as file:
        return [row["train/loss"] for row in csv.DictReader(file) if row.get("train/loss")]


@pytest.mark.parametrize(("word", "kinds"), [("csv", [CSVLogger]), ("tensorboard", [CSVLogger, TensorBoardLogger])])
def test_the_table_is_always_kept(tmp_path: Path, word: str, kinds: list[type]) -> None:
    assert [type(logger) for logger in loggers(word, root=tmp_path)] == kinds
    fit(tmp_path, word)
    assert len(losses(tmp_path)) == 4
    assert (tmp_path / "tensorboard").exists() == (word == "tensorboard")


@pytest.mark.parametrize(("installed", "kinds"), [(True, [CSVLogger, TensorBoardLogger]), (False, [CSVLogger])])
def test_nothing_said_takes_tensorboard_where_it_is_installed(tmp_path, monkeypatch, installed, kinds) -> None:
    monkeypatch.setattr(module, "find_spec", lambda _: installed or None)
    assert [type(logger) for logger in loggers(None, root=tmp_path)] == kinds


@pytest.mark.parametrize("word", sorted(LOGGERS.keys() - {"csv"}))
def test_a_package_that_is_missing_is_named_with_what_installs_it(tmp_path, monkeypatch, word) -> None:
    monkeypatch.setitem(sys.modules, word, None)  # as if it were not there
    with pytest.raises(ModuleNotFoundError) as missing:
        loggers(word, root=tmp_path)
    assert missing.value.name == word
    assert re.match(rf'pip install "?{word}', install_hint(word))


def test_another_word_is_refused_with_those_that_there_are(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"'wandbb'.*csv, tensorboard, wandb, mlflow"):
        Trainer(default_root_dir=tmp_path, max_epochs=1, logger="wandbb")


def test_mlflow_without_a_server_is_refused_with_what_to_set(tmp_path, monkeypatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setattr(module, "find_spec", lambda name: True)
    with pytest.raises(DataError, match="export MLFLOW_TRACKING_URI="):
        loggers("mlflow", root=tmp_path)


@pytest.mark.parametrize("name", shipped())
def test_every_training_has_the_key(name: str) -> None:
    text = (shipped()[name] / "configs" / "train.yaml").read_text()
    assert "\nlogger: null" in text
    assert "logger: '@logger'" in text


def test_the_key_reaches_the_trainer_of_a_bundle(tmp_path: Path, monkeypatch) -> None:
    from data_prep.tiny import make

    data = make("images", tmp_path)[1]
    given = {"dataset_dir": str(data), "subject_from": r"^(p\d+)_", "logger": "wandbb"}
    monkeypatch.setattr("medmae.bundle.run.first_look", lambda *_: {})  # which would refuse it sooner
    with pytest.raises(RuntimeError) as wrapped:  # MONAI's
        run_bundle("image_mae_pretraining", "train,demo", options=given, dry_run=True)
    assert "'wandbb'" in str(mistake(wrapped.value))


def test_wandb_gets_the_figures_and_neither_paths_nor_the_command(tmp_path, monkeypatch) -> None:
    pytest.importorskip("wandb", reason="wandb is not among the pins")
    monkeypatch.setenv("WANDB_MODE", "offline")
    fit(tmp_path / "secret_patient", "wandb")
    importlib.import_module("wandb").teardown()
    (sent,) = tmp_path.rglob("*.wandb")
    assert b"train/loss" in sent.read_bytes()
    assert b"secret_patient" not in sent.read_bytes()
    assert sys.argv[0].encode() not in sent.read_bytes()
    assert len(losses(tmp_path / "secret_patient")) == 4


def test_mlflow_gets_the_figures(tmp_path, monkeypatch) -> None:
    pytest.importorskip("mlflow", reason="mlflow is not among the pins")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", (tmp_path / "server").as_uri())
    fit(tmp_path / "run", "mlflow")
    (figures,) = (tmp_path / "server").rglob("metrics/train/loss")
    assert len(figures.read_text().splitlines()) == 4
