"""What a training says before it begins."""

from __future__ import annotations

from medmae.methods.mae import mae_tiny
from medmae.training.plan import tell_plan
from tests.faults.runs import Numbered, loader
from tests.training.toys import module, trainer


def lines(tmp_path, capsys, monkeypatch, *, speed=1.0, learner=None, epochs=3):
    monkeypatch.setattr("medmae.training.plan.matmul_gflops", lambda device: speed)
    made = trainer(tmp_path, epochs=epochs)
    tell_plan(trainer=made, module=learner or module(), loader=loader(Numbered()), data={"data": "here"}, bundle="toy")
    return dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())


def test_a_plan_counts_steps_and_parameters_and_says_where_it_runs(tmp_path, capsys, monkeypatch) -> None:
    told = lines(tmp_path, capsys, monkeypatch)
    count = sum(each.numel() for each in module().method.parameters()) / 1e6
    assert told["length"] == "3 epochs, 12 steps of 4 samples"
    assert told["network"].endswith(f"{count:.2f} million parameters")
    assert (told["data"], told["output"]) == ("here", str(tmp_path))
    assert "cpu" in told["device"]


def test_what_is_long_on_a_cpu_is_told_with_what_is_short(tmp_path, capsys, monkeypatch) -> None:
    learner = module(method=mae_tiny(image_size=64, in_channels=1))
    quick = lines(tmp_path, capsys, monkeypatch, learner=learner)
    slow = lines(tmp_path, capsys, monkeypatch, learner=learner, speed=1e-6)
    assert "about 0:0" in quick["estimate"]
    assert "MiB" in quick["estimate"]
    assert "this" not in quick
    assert slow["this"].endswith("medmae run toy train,demo")
