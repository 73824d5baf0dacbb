"""The same training in one process and in two: the curve must not tell which it was."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
import torch

from tests.conftest import ROOT
from tests.training.parallel_run import EPOCHS, GLOBAL_BATCH, SAMPLES, STRATEGIES, train


def assert_same_weights(ours, theirs):
    """All but the biases of keys: softmax cancels them, so their gradient is rounding noise, which Adam scales up."""
    for name, tensor in ours.items():
        mine, other = tensor, theirs[name]
        if name.endswith("qkv.bias"):
            mine, other = (torch.cat([t.chunk(3)[0], t.chunk(3)[2]]) for t in (mine, other))
        torch.testing.assert_close(mine, other, atol=2e-5, rtol=1e-4, msg=lambda text, name=name: f"{name}: {text}")


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """The curve and the weights of one process with the whole batch."""
    module = train(tmp_path_factory.mktemp("alone"), batch_size=GLOBAL_BATCH)
    assert len(module.losses) == EPOCHS * SAMPLES // GLOBAL_BATCH
    return module.losses, module.method.state_dict()


@pytest.fixture(scope="module")
def together(tmp_path_factory):
    """The folder of what two processes learnt, by each strategy in turn."""
    out = tmp_path_factory.mktemp("together")
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "tests.training.parallel_run", str(out)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    return out


@pytest.mark.slow
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_two_processes_learn_what_one_learns_from_the_same_global_batch(strategy, alone, together):
    losses, weights = alone
    assert json.loads((together / strategy / "losses.json").read_text()) == pytest.approx(losses, rel=1e-5)
    assert_same_weights(torch.load(together / strategy / "method.pt", weights_only=True), weights)


def test_accumulated_batches_learn_what_one_large_batch_learns(alone, tmp_path):
    losses, weights = alone
    module = train(tmp_path, batch_size=GLOBAL_BATCH // 2, accumulate_grad_batches=2)
    halves = torch.tensor(module.losses).unflatten(0, (-1, 2)).mean(dim=1)
    assert halves.tolist() == pytest.approx(losses, rel=1e-5)
    assert_same_weights(module.method.state_dict(), weights)
