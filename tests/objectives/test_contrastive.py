"""InfoNCE, in one process and in two."""

from __future__ import annotations

import math
import os
import subprocess
import sys

import pytest
import torch
from torch.testing import assert_close

from medmae.objectives.contrastive import chance_level, info_nce
from tests.conftest import ROOT
from tests.objectives.two_processes import FORMS, IDS, SAMPLES, WINDOWED, contrast, rows, windowed


@pytest.fixture
def pair():
    return rows()


def test_each_query_looks_for_its_own_key_among_all(pair):
    query, key = pair
    loss = 0.0
    for i in range(SAMPLES):
        likeness = [torch.cosine_similarity(query[i], key[j], dim=0).item() / 0.2 for j in range(SAMPLES)]
        loss += math.log(sum(map(math.exp, likeness))) - likeness[i]
    assert info_nce(query, key, temperature=0.2).item() == pytest.approx(loss / SAMPLES, rel=1e-5)


def test_symmetric_is_the_mean_of_both_directions(pair):
    query, key = pair
    there, back = info_nce(query, key, temperature=0.1), info_nce(key, query, temperature=0.1)
    assert not torch.isclose(there, back)
    assert_close(info_nce(query, key, temperature=0.1, symmetric=True), (there + back) / 2)


def test_keys_that_are_all_alike_cost_what_chance_costs(pair):
    query, key = pair
    loss = info_nce(query, key[:1].expand_as(key), temperature=0.07)
    assert loss.item() == pytest.approx(chance_level(num_keys=SAMPLES), rel=1e-6)
    assert chance_level(num_keys=4096) * 2 * 0.07 == pytest.approx(1.164, abs=1e-3)


def test_perfect_agreement_of_samples_that_differ_costs_almost_nothing():
    features = torch.eye(4)
    assert info_nce(features, features, temperature=0.07) < 1e-5


@pytest.mark.parametrize("which", [0, 1])
def test_the_length_of_a_vector_changes_nothing(pair, which):
    longer = list(pair)
    longer[which] = 7 * longer[which]
    assert_close(info_nce(*longer, temperature=0.07), info_nce(*pair, temperature=0.07))


def test_a_learned_temperature_gets_a_gradient(pair):
    temperature = torch.tensor(0.5, requires_grad=True)
    info_nce(*pair, temperature=temperature).backward()
    assert temperature.grad.abs() > 0


def test_keys_of_one_id_share_the_target(pair):
    query, key = pair
    loss = 0.0
    for i in range(SAMPLES):
        likeness = torch.cosine_similarity(query[i : i + 1], key) / 0.2
        right = [j for j in range(SAMPLES) if IDS[j] == IDS[i]]
        loss -= likeness.log_softmax(0)[right].mean().item()
    ids = torch.tensor(IDS)
    assert info_nce(query, key, temperature=0.2, ids=ids).item() == pytest.approx(loss / SAMPLES, rel=1e-5)
    assert_close(
        info_nce(query, key, temperature=0.2, ids=torch.arange(SAMPLES)), info_nce(query, key, temperature=0.2)
    )


@pytest.mark.slow
def test_two_processes_learn_what_one_learns_from_both_halves(pair, tmp_path):
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    module = "tests.objectives.two_processes"
    commands = [[sys.executable, "-m", module, str(rank), str(tmp_path)] for rank in range(2)]
    running = [subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE) for command in commands]
    errors = [process.communicate(timeout=600)[1] for process in running]
    assert [process.returncode for process in running] == [0, 0], errors
    halves = [torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in range(2)]
    whole = {form: contrast(*pair, symmetric=form[0], ids=torch.tensor(IDS) if form[1] else None) for form in FORMS}
    whole |= {name: windowed(*pair, **how) for name, how in WINDOWED.items()}
    for form, alone in whole.items():
        parts = [half[form] for half in halves]
        assert_close(sum(part["loss"] for part in parts) / 2, alone["loss"])
        assert {int(part.get("count", 0)) for part in parts} == {int(alone.get("count", 0))}
        for name in ("query", "key"):  # the mean of gradients, as DistributedDataParallel takes it
            assert_close(torch.cat([part[name] for part in parts]) / 2, alone[name])
