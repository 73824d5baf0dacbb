"""A run that is stopped anywhere and resumed is the run that was never stopped."""

import random

import numpy as np
import pytest
import torch
from pytorch_lightning import seed_everything
from pytorch_lightning.callbacks import Callback

from medmae.methods.bootmae import bootmae_tiny
from medmae.methods.cmae import cmae_tiny
from medmae.training import fit
from medmae.training.checkpoints import Checkpoints
from medmae.training.loader import ResumableLoader
from tests.training.toys import Blobs, module, trainer

STEPS_PER_EPOCH = 4


class NumberedBlobs(Blobs):
    """Each sample tells its index, and draws from all three global generators."""

    def __getitem__(self, index):
        noise = 0.01 * (random.random() + np.random.rand() + torch.rand(()).item())
        return {"image": self.images[index] + noise, "index": index}


def shake(images, *, generator):
    """An augmentation that is careless about whose random numbers it takes."""
    return images + 0.01 * (random.random() + np.random.rand() + torch.rand(()).item())


class Diary(Callback):
    """Writes down what each step saw and gave; raises after some steps."""

    def __init__(self, *, stop_after: int | None = None):
        self.pages, self.stop_after = [], stop_after

    def on_train_batch_end(self, trainer, learner, outputs, batch, batch_idx):
        self.pages.append(
            (
                (trainer.current_epoch, batch_idx),
                batch["index"].tolist(),
                batch["image"].sum().item(),
                outputs["loss"].item(),
            )
        )
        if len(self.pages) == self.stop_after:
            raise KeyboardInterrupt


def train(
    folder, *, stop_after=None, checkpoint=None, workers=0, epochs=3, every_steps=1, val=False, method=None, **options
):
    seed_everything(0 if checkpoint else 7)  # a new process has no memory of where generators stood
    diary = Diary(stop_after=stop_after)
    keeper = Checkpoints(folder=folder / "checkpoints", every_steps=every_steps)
    # Lightning moves checkpoint callbacks to the end of the list; the diary must stop the run after the save.
    run = trainer(folder, epochs=epochs, enable_checkpointing=True, callbacks=[keeper], **options)
    run.callbacks.append(diary)
    data = ResumableLoader(dataset=NumberedBlobs(19), batch_size=4, seed=5, num_workers=workers)
    held_out = ResumableLoader(dataset=NumberedBlobs(8), batch_size=4, shuffle=False, num_workers=workers)
    learner = module(seed=3, augment={"image": shake}, **({"method": method()} if method else {}))
    try:
        fit(trainer=run, module=learner, train_loader=data, val_loader=held_out if val else None, checkpoint=checkpoint)
    except SystemExit:  # what Lightning makes of it
        assert stop_after is not None
    return diary.pages, learner


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return train(tmp_path_factory.mktemp("whole"))


@pytest.mark.parametrize("stop_after", range(1, 3 * STEPS_PER_EPOCH))
def test_a_run_stopped_after_any_step_goes_on_bit_for_bit(tmp_path, whole, stop_after):
    pages, learner = whole
    before, _ = train(tmp_path, stop_after=stop_after)
    after, resumed = train(tmp_path, checkpoint="newest")
    assert before + after == pages
    for name, value in learner.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name


def bootmae():
    return bootmae_tiny(image_size=64, in_channels=1)


def cmae():
    return cmae_tiny(image_size=64, patch_size=8, in_channels=1)


@pytest.mark.parametrize("method", [bootmae, cmae])
def test_a_momentum_teacher_and_running_statistics_go_on_as_they_were(tmp_path, method):
    pages, learner = train(tmp_path / "whole", method=method, epochs=2)
    before, _ = train(tmp_path / "cut", method=method, epochs=2, stop_after=STEPS_PER_EPOCH + 1)
    after, resumed = train(tmp_path / "cut", method=method, epochs=2, checkpoint="newest")
    assert before + after == pages
    for name, value in learner.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name


@pytest.mark.parametrize("stop_after", [3, 4, 6])
def test_validation_between_epochs_changes_nothing_of_that(tmp_path, stop_after):
    pages, _ = train(tmp_path / "whole", val=True)
    before, _ = train(tmp_path / "cut", val=True, stop_after=stop_after)
    after, _ = train(tmp_path / "cut", val=True, checkpoint="newest")
    assert before + after == pages


@pytest.mark.parametrize("stops", [(4, 1), (4, 3), (4, 4, 1), (1, 1, 1, 1, 1)])
def test_a_run_may_be_stopped_again_and_again(tmp_path, stops):
    pages, _ = train(tmp_path / "whole", val=True)
    parts = []
    for index, stop in enumerate(stops):
        parts += train(tmp_path / "cut", val=True, stop_after=stop, checkpoint="newest" if index else None)[0]
    parts += train(tmp_path / "cut", val=True, checkpoint="newest")[0]
    assert parts == pages


def test_two_workers_change_nothing(tmp_path, whole):
    pages, _ = whole
    before, _ = train(tmp_path, stop_after=6, workers=2)
    after, _ = train(tmp_path, checkpoint="newest", workers=2)
    assert before + after == pages


def test_an_incomplete_accumulation_at_the_end_of_an_epoch_stays_what_it_was(tmp_path):
    accumulate = {"accumulate_grad_batches": 3}  # steps after batches 3 and 4 of each epoch
    pages, learner = train(tmp_path / "whole", **accumulate)
    before, _ = train(tmp_path / "cut", stop_after=4, **accumulate)
    between, _ = train(tmp_path / "cut", stop_after=3, checkpoint="newest", **accumulate)
    after, resumed = train(tmp_path / "cut", checkpoint="newest", **accumulate)
    assert before + between + after == pages
    for name, value in learner.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name
