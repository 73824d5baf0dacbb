"""Lightning's trainer as every training has it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from pytorch_lightning.callbacks import Callback, Timer
from pytorch_lightning.loggers import CSVLogger, TensorBoardLogger

from medmae.errors import DataError
from medmae.recipes import Trainer
from medmae.training import Checkpoints
from medmae.training.resume import AtomicCheckpointIO


def test_a_trainer_keeps_checkpoints_logs_and_the_time_of_its_run(tmp_path: Path) -> None:
    trainer = Trainer(default_root_dir=tmp_path, max_epochs=3)
    kinds = {type(callback) for callback in trainer.callbacks}
    assert {Checkpoints, Timer} <= kinds
    assert [type(logger) for logger in trainer.loggers] == [CSVLogger, TensorBoardLogger]
    assert [Path(logger.log_dir).name for logger in trainer.loggers] == ["logs", "tensorboard"]
    assert isinstance(trainer.strategy.checkpoint_io, AtomicCheckpointIO)
    assert (trainer.max_epochs, trainer.num_sanity_val_steps) == (3, 0)


def test_what_is_given_comes_besides_or_instead(tmp_path: Path) -> None:
    more = Callback()
    trainer = Trainer(default_root_dir=tmp_path, max_epochs=1, callbacks=[more], logger=False, precision="bf16-mixed")
    assert more in trainer.callbacks
    assert any(isinstance(callback, Checkpoints) for callback in trainer.callbacks)
    assert (trainer.loggers, trainer.precision) == ([], "bf16-mixed")


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
@pytest.mark.parametrize("options", [{"devices": -1}, {"accelerator": "gpu"}, {"strategy": "nonsense"}])
def test_devices_that_are_not_there_are_refused_with_what_to_do(tmp_path: Path, options: dict) -> None:
    with pytest.raises((DataError, ValueError), match=r"devices|strategy"):
        Trainer(default_root_dir=tmp_path, max_epochs=1, **options)


def test_a_step_of_no_batch_is_refused(tmp_path):
    with pytest.raises(ValueError, match="a step has at least 1 batch, got 0: set --accumulate"):
        Trainer(default_root_dir=tmp_path, max_epochs=1, accumulate_grad_batches=0)


@pytest.mark.parametrize("epochs", [-1, 0, 1.5, None])
def test_a_training_has_an_end(epochs, tmp_path):
    with pytest.raises(ValueError, match=f"positive whole number, got {epochs}"):
        Trainer(default_root_dir=tmp_path, max_epochs=epochs)


def test_steps_or_time_may_end_a_training(tmp_path):
    assert Trainer(default_root_dir=tmp_path, max_epochs=-1, max_steps=3, logger=False).max_steps == 3


@pytest.mark.parametrize("callback", [{"folder": "x", "every_steps": 1}, "TQDM", Callback])
def test_what_is_no_callback_is_refused(callback, tmp_path):
    with pytest.raises(ValueError, match=r"callbacks are Lightning's.*got"):
        Trainer(default_root_dir=tmp_path, max_epochs=1, callbacks=[callback])
