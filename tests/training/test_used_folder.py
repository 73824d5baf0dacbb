"""A folder in which somebody has trained, or trains."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from pytorch_lightning.callbacks import Callback

from medmae.data import Pictures, Samples
from medmae.data.table import Table
from medmae.errors import DataError
from medmae.training import Checkpoints
from medmae.training.fitting import fit
from medmae.training.loader import ResumableLoader
from medmae.training.lock import locked
from medmae.training.resume import NEWEST, find_checkpoint
from tests.training.toys import loader, module, trainer

IMAGES = np.linspace(0, 255, 16 * 64 * 64).reshape(16, 64, 64, 1).astype(np.uint8)


class Look(Callback):
    """Which checkpoints there are after each step."""

    def __init__(self, folder):
        self.folder, self.seen = folder, []

    def on_train_batch_end(self, *_):
        self.seen.append(names(self.folder))


def names(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.ckpt"))


def train(folder, *, epochs=1, data=None, **options):
    """One or two steps an epoch, each with a checkpoint; gives what lay there after each step."""
    learner, look = module(), Look(folder / "checkpoints")
    keeper = Checkpoints(folder=folder / "checkpoints", every_steps=1)
    run = trainer(folder, epochs=epochs, callbacks=[keeper], enable_checkpointing=True)
    run.callbacks.append(look)  # Lightning moves those that save to the end of what it is given
    fit(trainer=run, module=learner, train_loader=data or loader(8), **options)
    return learner, look.seen


def run_of(path):
    return torch.load(path, weights_only=True)["medmae"]["run_id"]


def test_checkpoints_of_an_earlier_training_are_neither_deleted_nor_taken_for_one_s_own(tmp_path):
    folder = tmp_path / "checkpoints"
    first, _ = train(tmp_path, epochs=4)
    with pytest.warns(UserWarning, match=r"earlier training.*earlier-1/step-00000004.ckpt"):
        second, seen = train(tmp_path, epochs=2)
    earlier = ["earlier-1/step-00000003.ckpt", "earlier-1/step-00000004.ckpt"]
    assert seen == [[*earlier, "step-00000001.ckpt"], [*earlier, "step-00000001.ckpt", "step-00000002.ckpt"]]
    path, _ = find_checkpoint(NEWEST, folder=folder)
    assert (path.name, run_of(path)) == ("step-00000002.ckpt", second.run_id)
    assert run_of(folder / earlier[1]) == first.run_id != second.run_id


def test_what_lies_beyond_the_step_that_is_gone_on_from_is_put_aside(tmp_path):
    first, _ = train(tmp_path, epochs=3)
    with pytest.warns(UserWarning, match="earlier-1/step-00000003.ckpt"):
        again, seen = train(tmp_path, epochs=4, checkpoint=tmp_path / "checkpoints" / "step-00000002.ckpt")
    assert seen[0] == ["earlier-1/step-00000003.ckpt", "step-00000002.ckpt", "step-00000003.ckpt"]
    assert again.run_id == first.run_id


def test_resumed_it_is_the_same_run_and_puts_nothing_aside(tmp_path):
    first, _ = train(tmp_path, epochs=2)
    again, seen = train(tmp_path, epochs=3, checkpoint=NEWEST)
    assert seen == [["step-00000002.ckpt", "step-00000003.ckpt"]]
    assert again.run_id == first.run_id


def test_started_and_killed_before_a_checkpoint_it_does_not_take_those_of_another(tmp_path):
    train(tmp_path)
    (tmp_path / "checkpoints" / "earlier-1").mkdir()
    (tmp_path / "checkpoints" / "step-00000001.ckpt").rename(
        tmp_path / "checkpoints" / "earlier-1" / "step-00000001.ckpt"
    )
    with pytest.raises(DataError, match=r"earlier-1/step-00000001\.ckpt"):
        train(tmp_path, epochs=2, checkpoint=NEWEST)


def pictures(*, names="abcdefghijklmnop", classes=None, size=64):
    table = Table(
        path=None,  # type: ignore[arg-type]
        names=list(names),
        read=IMAGES.__getitem__,
        labels=["x", "y"] * 8,
        patients=None,
        splits=["train"] * 16,
        made_of="a test",
    )
    dataset = Samples(source=table, view=Pictures(size=size, channels=1), classes=classes)
    return ResumableLoader(dataset=dataset, batch_size=8)


@pytest.mark.parametrize(
    ("then", "now"),
    [
        ({"classes": ["x", "y"]}, {"classes": ["y", "x"]}),
        ({}, {"names": "ponmlkjihgfedcba"}),
    ],
)
def test_to_go_on_with_other_data_of_the_same_number_is_refused(tmp_path, then, now):
    train(tmp_path, data=pictures(**then))
    with pytest.raises(DataError, match=r"settings changed.*data\."):
        train(tmp_path, epochs=2, data=pictures(**now), checkpoint=NEWEST)


def test_a_second_training_in_a_folder_is_refused_while_the_first_one_goes_on(tmp_path):
    holding = f"with locked({str(tmp_path)!r}): print('held', flush=True); time.sleep(60)"
    code = f"import time\nfrom medmae.training.lock import locked\n{holding}"
    holder = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(DataError, match=rf"another training.*process {holder.pid}"):
            train(tmp_path)
    finally:
        holder.kill()
        holder.wait()
    train(tmp_path)  # the killed one holds nothing


def test_where_files_cannot_be_locked_it_says_so_and_trains(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr("fcntl.lockf", refuse)
    with pytest.warns(UserWarning, match="cannot be locked"), locked(tmp_path):
        pass
