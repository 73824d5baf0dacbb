"""What a user sees while a training runs."""

from __future__ import annotations

import io
import re

import pytest
from tqdm.std import tqdm

from medmae.training.callbacks import PlainProgress, ProgressBar
from tests.faults.runs import Numbered, run


def test_without_a_terminal_there_is_a_line_every_so_often_with_the_time_left(tmp_path, capsys) -> None:
    told = {}
    for every in (0.0, 1e6):
        run(tmp_path / str(every), Numbered(), callbacks=[PlainProgress(every_seconds=every)], epochs=2)
        told[every] = [line for line in capsys.readouterr().out.splitlines() if " left" in line]
    assert len(told[0.0]) == 9  # eight steps, and the end
    assert len(told[1e6]) == 2
    assert re.fullmatch(r"epoch 2 of 2, step 7 of 8, .*train/loss [\d.]+.*, 0:00:0\d left", told[0.0][6])
    assert [line.split(",")[0] for line in told[0.0]] == ["epoch 1 of 2"] * 4 + ["epoch 2 of 2"] * 5
    assert told[1e6][-1].endswith("0:00:00 left")


@pytest.mark.parametrize(("length", "last"), [({"epochs": -1}, "epoch 2"), ({"epochs": 5}, "epoch 2 of 5")])
def test_the_last_line_names_the_epoch_of_the_last_step(tmp_path, capsys, length, last) -> None:
    run(tmp_path, Numbered(), callbacks=[PlainProgress(every_seconds=1e6)], max_steps=8, **length)
    assert [line.split(",")[0] for line in capsys.readouterr().out.splitlines() if " left" in line][-1] == last


def test_at_80_columns_the_bar_keeps_the_time_left(tmp_path, monkeypatch) -> None:
    drawn = io.StringIO()

    class Bar(ProgressBar):
        def init_train_tqdm(self):
            return tqdm(file=drawn, ncols=80, bar_format=self.BAR_FORMAT, mininterval=0)

    run(tmp_path, Numbered(), callbacks=[Bar()], epochs=2, enable_progress_bar=True)
    lines = [line for line in drawn.getvalue().split("\r") if "epoch 2 of 2" in line]
    assert lines
    assert all(len(line.rstrip("\n")) <= 80 and "left" in line for line in lines)


@pytest.mark.parametrize("change", [{}, {"epochs": 3}])
def test_resuming_is_told_whatever_logging_lets_through(tmp_path, capsys, change) -> None:
    run(tmp_path, Numbered(), epochs=2, max_steps=3)
    capsys.readouterr()
    run(tmp_path, Numbered(), checkpoint="newest", **{"epochs": 2, **change})
    told = capsys.readouterr().err
    assert re.search(r"^medmae: resuming from .*step-00000003\.ckpt, after step 3$", told, re.MULTILINE)
    assert ("changed since the checkpoint: epochs: 2 then, 3 now" in told) == bool(change)
