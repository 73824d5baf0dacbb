"""The bundle that finds clips by sentences: from a pre-training to tables, pages and look-ups."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from safetensors.torch import load_file

from data_prep.tiny.captioned import make
from medmae.bundle.run import run_bundle
from medmae.errors import DataError

pytest.importorskip("av", reason="videos are read by PyAV")

BUNDLE = "video_text_retrieval"
SIZES = {"image_size": 32, "frames": 4, "stride": 2, "channels": 1, "max_words": 16}
TINY = {**SIZES, "method::_target_": "medmae.methods.simvtp.simvtp_tiny"}
QUICK = {"epochs": 1, "batch_size": 4, "warmup_epochs": 0}
PROMPTS = {way: [f"it moves {way}", f"a disc goes {way}"] for way in ("left", "right")}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory) -> Path:
    return make(tmp_path_factory.mktemp("captioned"))[0]


@pytest.fixture(scope="module")
def pretrained(prepared, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("pretrained")
    run("video_text_simvtp_pretraining", "train", prepared, out, **TINY, **QUICK, contrast=1.0, matching=1.0)
    return out / "models" / "pretraining.safetensors"


@pytest.fixture(scope="module")
def trained(prepared, pretrained, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("trained")
    options = {"pretrained": str(pretrained), "matching": 1.0, "top": 3, "prompts": PROMPTS, "max_words": 16}
    run(BUNDLE, "train", prepared, out, channels=1, **QUICK, **options)
    return out


def run(bundle, config, data, out, **more):
    run_bundle(bundle, config, overrides={"dataset_dir": str(data), "output_dir": str(out), **more})


def figures(folder):
    return json.loads((folder / "evaluation" / "retrieval.json").read_text())


def test_what_is_tuned_takes_sizes_and_words_of_its_pre_training(trained, pretrained):
    state, begun = load_file(trained / "models" / "retrieval.safetensors"), load_file(pretrained)
    for side in ("video_encoder", "text_encoder", "joint"):
        assert state[f"{side}.words.word.weight"].shape == begun["encoder.words.word.weight"].shape
    assert (
        f"{state['video_encoder.words.word.weight']}" == f"{begun['encoder.words.word.weight']}"
    )  # unused: as it began


def test_the_record_says_which_epoch_counts_and_with_what_it_began(trained, pretrained):
    record = json.loads((trained / "run.json").read_text())
    assert record["config"]["pretrained"] == str(pretrained)
    assert record["config"]["selected_by"].startswith("recall at 1")
    assert record["pretrained_on"]


def test_both_ways_stand_beside_chance_and_what_needs_no_network(trained):
    tasks = figures(trained)["tasks"]
    assert set(tasks) == {"text to video", "video to text"}
    for task in tasks.values():
        ours = set(task["scores"]) - set(task["baselines"])
        assert ours == {"likeness", "best 3 matched"}
        assert {"chance", "words by mean intensity", "words by mean frame"} <= set(task["baselines"])
        assert "caption length by clip statistics" in task["baselines"]
    assert tasks["text to video"]["queries"] == 3 * tasks["video to text"]["queries"]  # three captions a clip


def test_re_ranking_says_what_it_cost(trained):
    record = figures(trained)
    sentences, clips = record["tasks"]["video to text"]["gallery"], record["tasks"]["text to video"]["gallery"]
    assert record["reranking"]["pairs"] == (sentences + clips) * 3
    assert record["reranking"]["seconds"] > 0


def test_a_page_shows_recall_ranks_and_queries_with_film_strips_and_names_by_prompts(trained):
    page = (trained / "report.html").read_text()
    for text in (
        "Text to video",
        "Video to text",
        "Median rank",
        "rank 1",
        "zero-shot by prompts",
        "were ranked again",
    ):
        assert text in page, text
    assert (trained / "evaluation" / "found_cases" / "panels.npz").is_file()


def test_weights_are_evaluated_as_at_the_end_of_training(prepared, trained, tmp_path):
    run(BUNDLE, "evaluate", prepared, tmp_path, model_dir=str(trained / "models"), max_words=16, top=3)
    mine, then = figures(tmp_path)["tasks"], figures(trained)["tasks"]
    for way in mine:
        for name in ("likeness", "best 3 matched", "words by mean frame"):
            assert mine[way]["scores"][name]["metrics"] == then[way]["scores"][name]["metrics"], (way, name)


def test_clips_are_looked_up_by_sentences(prepared, trained, tmp_path):
    queries = ["a disc moves fast upwards", "something bright"]
    run(
        BUNDLE,
        "inference",
        prepared,
        tmp_path,
        model_dir=str(trained / "models"),
        queries=queries,
        best=5,
        max_words=16,
    )
    with (tmp_path / "found.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["query"] for row in rows] == [query for query in queries for _ in range(5)]
    likeness = [float(row["likeness"]) for row in rows[:5]]
    assert likeness == sorted(likeness, reverse=True)


@pytest.mark.slow
def test_smaug_s_weights_serve_without_a_word_of_their_method(prepared, tmp_path):
    begun, out, then = (tmp_path / name for name in ("pretrained", "train", "evaluate"))
    sizes = {name: value for name, value in SIZES.items() if name != "stride"}
    tiny = {"method::_target_": "medmae.methods.smaug.smaug_tiny"}
    run("video_text_smaug_pretraining", "train", prepared, begun, **sizes, **tiny, **QUICK)
    own = {"pretrained": str(begun / "models" / "pretraining.safetensors"), "channels": 1, **QUICK}
    run(BUNDLE, "train", prepared, out, **own, matching=1.0, top=3)
    run(BUNDLE, "evaluate", prepared, then, model_dir=str(out / "models"), top=3)
    mine, trained = figures(then)["tasks"], figures(out)["tasks"]
    for way in mine:
        for name in ("likeness", "best 3 matched"):
            assert mine[way]["scores"][name]["metrics"] == trained[way]["scores"][name]["metrics"], (way, name)
    run(BUNDLE, "inference", prepared, tmp_path / "found", model_dir=str(out / "models"), queries=["to the left"])
    assert (tmp_path / "found" / "found.csv").is_file()


def refused(*arguments, **options):
    with pytest.raises((RuntimeError, DataError)) as caught:
        run(*arguments, **options)
    error = caught.value if isinstance(caught.value, DataError) else caught.value.__cause__
    assert isinstance(error, DataError)
    return str(error)


def test_ranking_again_without_a_matching_layer_is_refused_before_training(prepared, pretrained, tmp_path):
    own = {"pretrained": str(pretrained), "channels": 1, "max_words": 16, **QUICK}
    assert "--matching 1" in refused(BUNDLE, "train", prepared, tmp_path, top=3, **own)


def test_prompts_of_one_class_are_refused(prepared, pretrained, tmp_path):
    own = {"pretrained": str(pretrained), "channels": 1, "max_words": 16, **QUICK}
    assert "two classes at least" in refused(BUNDLE, "train", prepared, tmp_path, prompts={"left": ["left"]}, **own)


def test_patients_whom_the_weights_have_seen_are_refused(prepared, trained, tmp_path):
    own = {"model_dir": str(trained / "models"), "max_words": 16}
    assert "seen" in refused(BUNDLE, "evaluate", prepared, tmp_path, split="train", **own)


def test_another_vocabulary_than_that_of_the_weights_is_refused(prepared, pretrained, tmp_path):
    (tmp_path / "vocab.txt").write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\n")
    own = {"pretrained": str(pretrained), "channels": 1, "vocabulary": str(tmp_path / "vocab.txt"), **QUICK}
    assert "other words" in refused(BUNDLE, "train", prepared, tmp_path / "out", **own)
