"""What weights say of their training, whom they have seen, and how good they were."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from medmae.errors import DataError
from medmae.files import sha256_of
from medmae.weights.about import about_header, read_about, run_of, task_in
from medmae.weights.io import save_safetensors
from medmae.weights.quality import (
    NAME,
    NOT_EVALUATED,
    Quality,
    made_by,
    note_quality,
    quality_of,
    sentence,
    told_quality,
)
from medmae.weights.seen import among, count, sealed

ACCURACY = Quality(
    metric="balanced accuracy",
    value=0.5,
    ci_low=0.41,
    ci_high=0.59,
    units=12,
    unit="patient",
    beside=("same answer to all", 0.5),
    data="prepared",
    data_sha256="a" * 64,
    split="test",
    how="Evaluation",
    run="1",
)


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    path = tmp_path / "classifier.safetensors"
    about = {"run": "r1", "task": {"classes": ["b", "a"]}, "seen": [{"unit": "patients", **sealed(["x"])}]}
    save_safetensors({"a": torch.ones(2)}, path, metadata=about_header(about))
    return path


def test_a_header_is_read_as_it_was_written_and_other_files_say_nothing(weights, tmp_path):
    assert read_about(weights)["run"] == run_of(weights) == "r1"
    assert task_in(weights) == {"classes": ["b", "a"]}
    save_safetensors({"a": torch.ones(2)}, tmp_path / "plain.safetensors")
    for name in ("plain.safetensors", "missing.safetensors", "model.pt"):
        assert (read_about(tmp_path / name), run_of(tmp_path / name), task_in(tmp_path / name)) == ({}, None, {})


@pytest.mark.parametrize("about", [[], "x", {"task": ["a"]}, {"seen": {"a": 1}}, {"kinds": 3}])
def test_a_header_of_another_form_is_refused(tmp_path, about):
    path = tmp_path / "x.safetensors"
    save_safetensors({"a": torch.ones(2)}, path, metadata={"about": json.dumps(about)})
    with pytest.raises(DataError, match="the header does not say 'about'"):
        read_about(path)


def test_who_was_sealed_is_recognised_by_name_alone():
    first, second = sealed(["anna", "ben"]), sealed(["ben"])
    assert among(["ben", "carl"], [first, second]) == {"ben"}
    assert not among(["carl"], [first, second])
    assert not {"anna", "ben"} & {str(part) for part in (*first["hashed"], first["salt"])}
    assert first["salt"] != second["salt"]  # a table of hashed names answers for one file
    assert not set(first["hashed"]) & set(second["hashed"])
    assert count([first, second]) == 3


def test_weights_carry_how_good_they_were_and_others_do_not(weights, tmp_path):
    assert quality_of(weights) == []
    assert told_quality(weights) == NOT_EVALUATED
    assert "not judged" in sentence(made_by(weights))
    note_quality(weights, [ACCURACY])
    assert quality_of(weights) == [ACCURACY]
    told = sentence(made_by(weights))
    assert told.startswith(
        "Made by classifier.safetensors (run r1), balanced accuracy 0.500 (95 % interval 0.410 to 0.590"
    )
    assert told.endswith("12 patients, test split of prepared); same answer to all: 0.500.")
    entry = json.loads((tmp_path / NAME).read_text())[sha256_of(weights)]
    assert (entry["file"], entry["run"]) == (weights.name, "r1")
    save_safetensors({"a": torch.zeros(2)}, weights)  # others in their place
    assert told_quality(weights) == NOT_EVALUATED


def test_the_latest_of_one_question_replaces_what_was_known_and_other_questions_stay(weights):
    other = Quality(**{**vars(ACCURACY), "data_sha256": "b" * 64, "data": "elsewhere", "run": "2"})
    better = Quality(**{**vars(ACCURACY), "value": 0.75, "run": "3"})
    for one in (ACCURACY, other, better):
        note_quality(weights, [one])
    assert quality_of(weights) == [better, other]
    assert "0.750" in told_quality(weights)
    assert "elsewhere" not in told_quality(weights)


def test_one_figure_is_told_and_how_many_there_are_besides(weights):
    others = [Quality(**{**vars(ACCURACY), "metric": name, "value": 0.25}) for name in ("AUROC", "sensitivity")]
    note_quality(weights, [ACCURACY, *others])
    assert told_quality(weights) == f"{ACCURACY}; 2 further figures in quality.json beside the weights"


def test_a_figure_without_interval_or_value_says_so():
    assert str(Quality(metric="PSNR", value=None)) == "PSNR undefined (no interval)"


@pytest.mark.parametrize("text", ["[]", "{", '{"SHA": 3}', '{"SHA": {"quality": [{"metric": "x"}]}}'])
def test_a_damaged_note_is_refused_by_name(weights, tmp_path, text):
    (tmp_path / NAME).write_text(text.replace("SHA", sha256_of(weights)))
    with pytest.raises(DataError, match=r"quality\.json"):
        told_quality(weights)


def test_a_folder_that_cannot_be_written_is_warned_of(weights, monkeypatch):
    def full(*_):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("medmae.weights.quality.write_text", full)
    with pytest.warns(UserWarning, match=r"cannot be noted beside them: .*quality\.json: Read-only"):
        note_quality(weights, [ACCURACY])
