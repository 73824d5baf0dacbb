"""What weights make, and of whose pairs, beside the weights."""

import json

import pytest
import torch

from medmae.errors import DataError
from medmae.recipes.synthesis_task import WEIGHTS, intensities_of, paired_subjects, require_task, write_task
from medmae.weights.about import about_header
from medmae.weights.io import save_safetensors

PAIR = {"source": "T1", "target": "T2", "contrasts": None}


class Known:
    """Stands for a manifest."""

    sha256 = "a" * 64


@pytest.fixture
def task(tmp_path, monkeypatch):
    monkeypatch.setattr("medmae.recipes.synthesis_task.Manifest.of", lambda manifest: manifest)
    write_task(tmp_path, **PAIR, manifest=Known(), paired=("b", "a"))
    return tmp_path


def test_another_task_is_refused_and_the_pairs_play_no_part_in_that(task):
    require_task(task, **PAIR)
    for other in ({**PAIR, "target": "FLAIR"}, {"source": None, "target": None, "contrasts": ["T1", "T2"]}):
        with pytest.raises(DataError, match="trained for another task"):
            require_task(task, **other)


def test_the_pairs_are_known_for_the_data_they_are_of(task):
    assert paired_subjects(task, manifest=Known()) == ("b", "a")
    other = Known()
    other.sha256 = "b" * 64
    assert paired_subjects(task, manifest=other) is None  # sub-01 is someone else there


def test_without_a_record_the_task_is_warned_of_and_the_pairs_are_unknown(task):
    record = json.loads((task / "task.json").read_text())
    del record["paired"]
    (task / "task.json").write_text(json.dumps(record))  # as earlier versions wrote it
    require_task(task, **PAIR)
    assert paired_subjects(task, manifest=Known()) is None
    (task / "task.json").unlink()
    assert paired_subjects(task, manifest=Known()) is None
    with pytest.warns(UserWarning, match="nobody can tell what these weights make"):
        require_task(task, **PAIR)


def weights_of(folder, **about):
    save_safetensors({"a": torch.ones(1)}, folder / WEIGHTS, metadata=about_header(about))


def test_the_header_of_the_weights_goes_before_a_record_of_another_training(task):
    weights_of(task, run="r1", task={"source": "T2", "target": "T1"})
    require_task(task, source="T2", target="T1", contrasts=None)
    with pytest.raises(DataError, match=r"synthesis\.safetensors: .*trained for another task \({'source': 'T2'"):
        require_task(task, **PAIR)
    with pytest.warns(UserWarning, match="of run unknown, the weights are of run r1; it is not used"):
        assert paired_subjects(task, manifest=Known()) is None


def test_a_record_of_the_same_run_tells_whose_pairs_were_seen(task):
    write_task(task, **PAIR, manifest=Known(), paired=("b", "a"), run="r1")
    weights_of(task, run="r1", task={"source": "T1", "target": "T2"})
    assert paired_subjects(task, manifest=Known()) == ("b", "a")


def test_intensities_are_those_that_the_weights_tell(tmp_path):
    told = {"contrasts": {"T2": {"maximum": 3}}}
    weights_of(tmp_path, run="r1", task={"source": "T1", "target": "T2", "target_intensity": told})
    beside, weights = tmp_path / "target_intensity.json", tmp_path / WEIGHTS
    assert intensities_of(weights, beside) == weights  # also where there is no such file
    assert intensities_of(weights, None) is None
    assert intensities_of(weights, tmp_path / "other.json") == tmp_path / "other.json"
    beside.write_text(json.dumps({"run": "r1", **told}))
    assert intensities_of(weights, beside) == weights
    beside.write_text(json.dumps({"contrasts": {"T2": {"maximum": 4}}}))
    with pytest.warns(UserWarning, match=r"target_intensity\.json is not of the training that made .* \(run r1\)"):
        assert intensities_of(weights, beside) == weights
    weights_of(tmp_path)  # of an earlier version
    assert intensities_of(weights, beside) == beside
