"""What weights make, and of whose pairs, beside the weights."""

import json

import pytest

from medmae.errors import DataError
from medmae.recipes.synthesis_task import paired_subjects, require_task, write_task

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
