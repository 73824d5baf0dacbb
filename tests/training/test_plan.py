"""What a training says before it begins."""

from __future__ import annotations

import re

import pytest
import torch

from medmae.methods.edge_mae import edge_mae_tiny
from medmae.methods.mae import mae_tiny
from medmae.methods.registry import create, methods
from medmae.training.cost import step_flops
from medmae.training.duration import Load
from medmae.training.measure import count_sample
from medmae.training.memory import memory
from medmae.training.plan import tell_plan
from medmae.training.sizes import Sizes
from tests.faults.runs import Numbered, loader
from tests.training.toys import module, trainer


def lines(tmp_path, capsys, monkeypatch, *, speed=1.0, learner=None, epochs=3, smaller=None):
    monkeypatch.setattr("medmae.training.plan.matmul_gflops", lambda device: speed)
    made = trainer(tmp_path, epochs=epochs)
    told = {"data": {"data": "here"}, "smaller": smaller}
    tell_plan(trainer=made, module=learner or module(), loader=loader(Numbered()), **told)
    return dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())


def test_a_plan_counts_steps_and_parameters_and_says_where_it_runs(tmp_path, capsys, monkeypatch) -> None:
    told = lines(tmp_path, capsys, monkeypatch)
    count = sum(each.numel() for each in module().method.parameters()) / 1e6
    assert told["length"] == "3 epochs, 12 steps of 4 samples"
    assert told["network"].endswith(f"{count:.2f} million parameters")
    assert (told["data"], told["output"]) == ("here", str(tmp_path))
    assert "cpu" in told["device"]


def test_one_epoch_is_no_epochs(tmp_path, capsys, monkeypatch) -> None:
    assert lines(tmp_path, capsys, monkeypatch, epochs=1)["length"] == "1 epoch, 4 steps of 4 samples"


def test_what_is_long_on_a_cpu_is_told_with_what_is_short(tmp_path, capsys, monkeypatch) -> None:
    learner = module(method=mae_tiny(image_size=64, in_channels=1))
    quick = lines(tmp_path, capsys, monkeypatch, learner=learner)
    small = "medmae run toy train,demo"
    slow = lines(tmp_path, capsys, monkeypatch, learner=learner, speed=1e-6, smaller=small)
    smallest = lines(tmp_path, capsys, monkeypatch, learner=learner, speed=1e-6)
    assert "about 0:0" in quick["estimate"]
    assert "MiB" in quick["estimate"]
    assert "this" not in quick
    assert slow["this"].endswith("try it small: medmae run toy train,demo")
    assert smallest["this"].endswith("or lower --epochs")


@pytest.mark.parametrize("name", [name for name in methods() if name not in ("mae", "edge_mae", "videomae")])
def test_the_cost_of_every_method_is_told_and_nothing_of_it_changes(name, tmp_path, capsys, monkeypatch) -> None:
    learner = module(method=create(name, preset="tiny"))
    before = {key: value.clone() for key, value in learner.method.state_dict().items()}
    drawn = torch.get_rng_state()
    told = lines(tmp_path, capsys, monkeypatch, learner=learner, speed=1e-3)
    assert re.fullmatch(r"about \d+:\d\d:\d\d \(h:mm:ss\) and \d+ MiB, .*", told["estimate"])
    assert not told["estimate"].startswith("about 0:00:00")
    assert torch.equal(torch.get_rng_state(), drawn)
    assert all(torch.equal(value, before[key]) for key, value in learner.method.state_dict().items())
    assert all(each.grad is None for each in learner.method.parameters())


def test_narrow_heads_take_longer_though_their_operations_are_as_many() -> None:
    loads = [Load.of(Sizes.of(edge_mae_tiny(num_heads=heads)), batch=2) for heads in (2, 4)]
    assert loads[0].operations == loads[1].operations
    assert loads[1].seconds(gflops=1.0) > loads[0].seconds(gflops=1.0)


def test_attention_that_is_formed_again_takes_its_time_again() -> None:
    sizes = Sizes.of(edge_mae_tiny())
    once, twice = (Load.of(sizes, batch=2, checkpointing=again) for again in (False, True))
    assert (twice.formed, twice.differentiated) == (2 * once.formed, once.differentiated)
    assert twice.operations == step_flops(sizes, batch=2, checkpointing=True)


def test_what_is_counted_on_a_sample_is_what_the_cost_model_says() -> None:
    method = edge_mae_tiny()
    counted, sizes = count_sample(method), Sizes.of(method)
    assert counted.load.operations == step_flops(sizes, batch=1)
    assert counted.load == Load.of(sizes, batch=1)
    assert counted.memory(batch=8) == pytest.approx(memory(sizes, batch=8).total, rel=0.03)
