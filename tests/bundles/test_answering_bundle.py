"""The bundle that answers questions about clips: from a pre-training to tables, pages and answers."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from safetensors.torch import load_file

from data_prep.tiny.asked import make
from medmae.bundle.run import run_bundle
from medmae.errors import DataError
from medmae.weights.about import read_about

pytest.importorskip("av", reason="videos are read by PyAV")

BUNDLE = "video_question_answering"
SIZES = {"image_size": 32, "frames": 4, "stride": 2, "channels": 1, "max_words": 16}
TINY = {**SIZES, "method::_target_": "medmae.methods.simvtp.simvtp_tiny"}
QUICK = {"epochs": 1, "batch_size": 8, "warmup_epochs": 0}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory) -> Path:
    return make(tmp_path_factory.mktemp("asked"))[0]


@pytest.fixture(scope="module")
def pretrained(prepared, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("pretrained")
    run("video_text_simvtp_pretraining", "train", prepared, out, **TINY, **QUICK)
    return out / "models" / "pretraining.safetensors"


@pytest.fixture(scope="module")
def of_smaug(prepared, tmp_path_factory) -> Path:
    out, tiny = tmp_path_factory.mktemp("smaug"), {"method::_target_": "medmae.methods.smaug.smaug_tiny"}
    sizes = {name: value for name, value in SIZES.items() if name != "stride"}
    run("video_text_smaug_pretraining", "train", prepared, out, **sizes, **tiny, **QUICK)
    return out / "models" / "pretraining.safetensors"


@pytest.fixture(scope="module")
def trained(prepared, pretrained, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("trained")
    run(BUNDLE, "train", prepared, out, channels=1, max_words=16, **QUICK, pretrained=str(pretrained))
    return out


def run(bundle, config, data, out, **more):
    run_bundle(bundle, config, overrides={"dataset_dir": str(data), "output_dir": str(out), **more})


def task_of(folder):
    (task,) = json.loads((folder / "evaluation" / "answers.json").read_text())["tasks"].values()
    return task


def test_what_is_tuned_takes_sizes_and_words_of_its_pre_training(trained, pretrained):
    state, begun = load_file(trained / "models" / "answering.safetensors"), load_file(pretrained)
    assert state["encoder.words.word.weight"].shape == begun["encoder.words.word.weight"].shape
    record = json.loads((trained / "run.json").read_text())["config"]
    assert record["pretrained"] == str(pretrained)
    assert record["selected_by"].startswith("accuracy")
    assert record["answered by"] == "classes"


def test_a_page_has_answers_beside_baselines_and_clips_to_look_at(trained):
    assert {"this network", "most frequent answer", "question words"} <= set(task_of(trained)["scores"])
    assert set(task_of(trained)["controls"]) == {"one frame of the clip", "clip of another case"}
    assert "where does it go?" in (trained / "report.html").read_text()


def test_weights_know_their_answers_and_are_evaluated_as_at_the_end_of_training(prepared, trained, tmp_path):
    run(BUNDLE, "evaluate", prepared, tmp_path, model_dir=str(trained / "models"), max_words=16)
    assert task_of(tmp_path)["scores"] == task_of(trained)["scores"]


def test_other_questions_are_answered_of_every_clip(prepared, trained, tmp_path):
    own = {"model_dir": str(trained / "models"), "max_words": 16, "questions": ["where does it go?"], "best": 2}
    run(BUNDLE, "inference", prepared, tmp_path, **own)
    with (tmp_path / "answers.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2 * len((prepared / "manifest.jsonl").read_text().splitlines())
    assert {row["question"] for row in rows} == {"where does it go?"}


def test_choices_are_answered_by_number_and_weights_say_so(prepared, pretrained, tmp_path):
    out, then = tmp_path / "train", tmp_path / "evaluate"
    own = {"channels": 1, "max_words": 16, **QUICK, "pretrained": str(pretrained), "by": "choices"}
    run(BUNDLE, "train", prepared, out, **own)
    assert "chance" in task_of(out)["baselines"]
    run(BUNDLE, "evaluate", prepared, then, model_dir=str(out / "models"), max_words=16)
    assert task_of(then)["scores"] == task_of(out)["scores"]


def test_smaug_s_weights_serve_without_a_word_of_their_method_and_say_answers_in_words(prepared, of_smaug, tmp_path):
    out, then = tmp_path / "train", tmp_path / "evaluate"
    run(BUNDLE, "train", prepared, out, channels=1, by="words", pretrained=str(of_smaug), **QUICK)
    about = read_about(out / "models" / "answering.safetensors")
    assert about["view"]["sampling"] == {"class": "Segments", "frames": 4}  # as in its pre-training
    run(BUNDLE, "evaluate", prepared, then, model_dir=str(out / "models"))
    assert task_of(then)["scores"] == task_of(out)["scores"]


def test_whoever_names_another_method_than_the_file_s_is_refused(prepared, of_smaug, tmp_path):
    own = {"channels": 1, **QUICK, "pretrained": str(of_smaug), "backbone::_target_": TINY["method::_target_"]}
    assert "these weights are of SMAUG" in refused(BUNDLE, "train", prepared, tmp_path, **own)


def refused(*arguments, **options):
    with pytest.raises((RuntimeError, DataError)) as caught:
        run(*arguments, **options)
    error = caught.value if isinstance(caught.value, DataError) else caught.value.__cause__
    assert isinstance(error, ValueError)
    return str(error)


def test_patients_whom_the_weights_have_seen_are_refused(prepared, trained, tmp_path):
    assert "seen" in refused(BUNDLE, "evaluate", prepared, tmp_path, split="train", model_dir=str(trained / "models"))


def test_words_without_layers_that_say_them_are_refused(prepared, pretrained, tmp_path):
    own = {"channels": 1, "max_words": 16, **QUICK, "pretrained": str(pretrained), "by": "words"}
    assert "by='classes'" in refused(BUNDLE, "train", prepared, tmp_path, **own)
