"""The bundle of clips and captions: pre-training, its evaluation, and what is kept of words."""

import json
import shutil
from pathlib import Path

import h5py
import pytest

from data_prep.tiny.captioned import make
from medmae.bundle.run import run_bundle
from medmae.errors import DataError

pytest.importorskip("av", reason="videos are read by PyAV")

BUNDLE = "video_text_simvtp_pretraining"
TINY = {
    "image_size": 32,
    "frames": 4,
    "stride": 2,
    "channels": 1,
    "max_words": 16,
    "method::_target_": "medmae.methods.simvtp.simvtp_tiny",
}
QUICK = {"epochs": 2, "batch_size": 4, "warmup_epochs": 0, "contrast": 1.0, "matching": 1.0}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory) -> Path:
    return make(tmp_path_factory.mktemp("captioned"))[0]


@pytest.fixture(scope="module")
def trained(prepared, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("trained")
    run("train", prepared, out, **TINY, **QUICK)
    return out


def run(config, data, out, **more):
    run_bundle(BUNDLE, config, overrides={"dataset_dir": str(data), "output_dir": str(out), **more})


def figures(folder):
    return json.loads((folder / "evaluation" / "hidden_words.json").read_text())


def test_a_page_shows_the_words_given_hidden_and_guessed_and_what_they_cost(trained):
    page = (trained / "report.html").read_text()
    assert "Hidden words" in page
    assert {"own clip", "clip of other words"} <= set(figures(trained)["scores"])
    assert list((trained / "evaluation" / "word_strips").iterdir())


def test_weights_know_their_words_and_are_evaluated_as_at_the_end_of_training(prepared, trained, tmp_path):
    run("evaluate", prepared, tmp_path, model_dir=str(trained / "models"))
    mine, then = figures(tmp_path), figures(trained)
    assert mine["samples"] == then["samples"] > 0
    assert mine["scores"]["own clip"]["mean"] == pytest.approx(then["scores"]["own clip"]["mean"], rel=1e-4)
    assert "how often words occur" in mine["scores"]  # learnt from the training split


def test_every_video_has_one_embedding_of_its_clip(prepared, trained, tmp_path):
    run("inference", prepared, tmp_path, model_dir=str(trained / "models"))
    rows = (prepared / "manifest.jsonl").read_text().splitlines()
    with h5py.File(tmp_path / "embeddings" / "all.h5") as file:
        assert len(file["features"]) == len(rows)


def test_videos_without_captions_are_refused_with_what_to_do(prepared, tmp_path):
    silent = tmp_path / "silent"
    shutil.copytree(prepared, silent)
    rows = [{**json.loads(line), "captions": []} for line in (silent / "manifest.jsonl").read_text().splitlines()]
    (silent / "manifest.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(RuntimeError) as caught:
        run("train", silent, tmp_path / "out", **TINY, **QUICK)
    assert isinstance(caught.value.__cause__, DataError)
    assert "a table with a column caption" in str(caught.value.__cause__)
