"""The compiled step: the same numbers, one graph, and only where it pays."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from torch._dynamo.testing import CompileCounter

from medmae.methods.registry import create, methods
from medmae.training import fit
from medmae.training.compiled import compiled_step
from tests.training.toys import loader, module, trainer

# They read the progress of training: the first number is taken for a constant, the second for any number.
FOLLOW_PROGRESS = {"bootmae", "occlusion_au"}
# How many words of a sentence are hidden is left to chance: the second number makes it any number.
FOLLOW_CHANCE = {"simvtp", "smaug"}
# Which samples have which kinds of data, or a pair of them, decides what is computed: their steps are several graphs.
SEVERAL = {"av_mae", "mavil", "pair_emotion"}
GPU = torch.device("cuda")  # only its name is looked at: the data of these tests stay on the CPU


@pytest.fixture
def counter(monkeypatch: pytest.MonkeyPatch) -> CompileCounter:
    """Graphs are made and counted, and run as they are."""
    torch._dynamo.reset()
    counter = CompileCounter()
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend=counter))
    return counter


@pytest.mark.parametrize("name", methods())
def test_a_compiled_step_has_the_same_numbers_and_is_one_graph_unless_samples_may_lack_kinds(name, counter):
    method = create(name, preset="tiny")
    batch = method.example_batch(4)
    step, curves = compiled_step(method, device=GPU), []
    for call in (step, method):
        generator = torch.Generator().manual_seed(0)
        curves.append([call(batch, generator=generator, progress=i / 5).loss.item() for i in range(5)])
    assert curves[0] == pytest.approx(curves[1], rel=1e-6)
    if name in SEVERAL:
        assert 1 < counter.frame_count <= 12
    else:
        assert counter.frame_count == 1 + (name in FOLLOW_PROGRESS | FOLLOW_CHANCE)


def test_compiling_on_a_cpu_is_refused_before_training(tmp_path):
    with pytest.raises(ValueError, match="compiled=True is for GPUs, got cpu"):
        fit(trainer=trainer(tmp_path), module=module(compiled=True), train_loader=loader())


def test_recomputation_is_a_switch_of_the_module(tmp_path):
    weights = []
    for recompute in (False, True):
        learner = module(recompute=recompute)
        fit(trainer=trainer(tmp_path / str(recompute)), module=learner, train_loader=loader())
        assert all(block.recompute == recompute for block in learner.method.encoder.blocks)
        weights.append(learner.method.encoder.norm.weight.detach().clone())
    assert torch.equal(*weights)
