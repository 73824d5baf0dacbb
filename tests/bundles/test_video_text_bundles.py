"""Bundles of clips and captions: pre-training, its evaluation, and what is kept of words."""

import json
import shutil
from pathlib import Path

import h5py
import pytest
import torch

from data_prep.tiny.captioned import make
from medmae.bundle.run import run_bundle
from medmae.data import CaptionWords
from medmae.errors import DataError
from medmae.methods.mae import mae_tiny
from medmae.methods.smaug import smaug_tiny
from medmae.methods.videomae import videomae_tiny
from medmae.weights.bert import save_bert
from medmae.weights.io import save_safetensors
from medmae.weights.read import load_state
from medmae.weights.unseen import header

pytest.importorskip("av", reason="videos are read by PyAV")

SIMVTP, SMAUG = "video_text_simvtp_pretraining", "video_text_smaug_pretraining"
SIZES = {"image_size": 32, "frames": 4, "channels": 1, "max_words": 16}
TINY = {
    SIMVTP: {**SIZES, "stride": 2, "method::_target_": "medmae.methods.simvtp.simvtp_tiny"},
    SMAUG: {**SIZES, "method::_target_": "medmae.methods.smaug.smaug_tiny"},
}
QUICK = {"epochs": 2, "batch_size": 4, "warmup_epochs": 0, "contrast": 1.0, "matching": 1.0}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory) -> Path:
    return make(tmp_path_factory.mktemp("captioned"))[0]


@pytest.fixture(scope="module", params=[SIMVTP, SMAUG])
def bundle(request) -> str:
    return request.param


@pytest.fixture(scope="module")
def trained(bundle, prepared, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("trained")
    run(bundle, "train", prepared, out, **TINY[bundle], **QUICK)
    return out


def run(bundle, config, data, out, **more):
    run_bundle(bundle, config, overrides={"dataset_dir": str(data), "output_dir": str(out), **more})


def figures(folder):
    return json.loads((folder / "evaluation" / "hidden_words.json").read_text())


def test_a_page_shows_the_words_given_hidden_and_guessed_and_what_they_cost(bundle, trained):
    page = (trained / "report.html").read_text()
    assert "Hidden words" in page
    assert {"own clip", "clip of other words"} <= set(figures(trained)["scores"])
    rows = json.loads((trained / "evaluation" / "word_strips" / "panels.json").read_text())
    assert rows
    if bundle == SMAUG:
        for row in rows:
            assert set(row["said"]) == {"after block 1", "read with the words"}
            assert all(said in page for said in row["said"].values())
        assert "after block 1 prediction" not in page


def test_weights_know_their_words_and_are_evaluated_as_at_the_end_of_training(bundle, prepared, trained, tmp_path):
    run(bundle, "evaluate", prepared, tmp_path, model_dir=str(trained / "models"))
    mine, then = figures(tmp_path), figures(trained)
    assert mine["samples"] == then["samples"] > 0
    assert mine["scores"]["own clip"]["mean"] == pytest.approx(then["scores"]["own clip"]["mean"], rel=1e-4)
    assert "how often words occur" in mine["scores"]  # learnt from the training split


def test_every_video_has_one_embedding_of_its_clip(bundle, prepared, trained, tmp_path):
    run(bundle, "inference", prepared, tmp_path, model_dir=str(trained / "models"))
    rows = (prepared / "manifest.jsonl").read_text().splitlines()
    with h5py.File(tmp_path / "embeddings" / "all.h5") as file:
        assert len(file["features"]) == len(rows)


OF_PICTURES = {"image_size": 32, "in_channels": 1, "embed_dim": 48, "num_heads": 4, "scale": "imagenet"}
BEGINS = {
    SIMVTP: (
        lambda: videomae_tiny(**OF_PICTURES, decoder_dim=32, decoder_heads=2),
        {"encoder.video": "encoder", "decoder": "decoder", "head": "head"},
        {"encoder.video.blocks.1.attn.qkv.weight", "decoder.mask_token", "head.pred.bias"},
    ),
    SMAUG: (
        lambda: mae_tiny(**OF_PICTURES),
        {"encoder.frames.picture": "encoder"},
        {"encoder.frames.picture.blocks.2.attn.qkv.weight"},  # of three blocks, where smaug_tiny has two
    ),
}


@pytest.mark.parametrize("bundle", [SIMVTP, SMAUG], indirect=True)
def test_a_training_begins_with_weights_of_clips_or_pictures_alone_and_words_of_a_bert(bundle, prepared, tmp_path):
    make_weights, parts, some = BEGINS[bundle]
    torch.manual_seed(5)
    method, path = make_weights(), tmp_path / "begun" / "pretraining.safetensors"
    save_safetensors(method.state_dict(), path, metadata=header(method))
    torch.manual_seed(6)
    bert = smaug_tiny(vocabulary=CaptionWords(source=prepared))
    save_bert(bert, tmp_path / "bert.safetensors")
    files = {"pretrained": str(path), "bert": str(tmp_path / "bert.safetensors")}
    still = {**TINY[bundle], **QUICK, "epochs": 1, "base_lr": 1e-12, **files}
    run(bundle, "train", prepared, tmp_path / "out", **still)
    found = load_state(tmp_path / "out" / "models" / "pretraining.safetensors")
    state = method.state_dict()
    begun = {
        own + key.removeprefix(their): value
        for own, their in parts.items()
        for key, value in state.items()
        if key.startswith(f"{their}.")
    }
    assert some <= begun.keys()
    (table,) = (name for name in found if name.startswith("encoder.") and name.endswith("words.word.weight"))
    begun[table] = bert.encoder.text.words.word.weight.detach()
    for name, value in begun.items():
        torch.testing.assert_close(found[name], value, atol=1e-6, rtol=0)


def test_videos_without_captions_are_refused_with_what_to_do(prepared, tmp_path):
    silent = tmp_path / "silent"
    shutil.copytree(prepared, silent)
    rows = [{**json.loads(line), "captions": []} for line in (silent / "manifest.jsonl").read_text().splitlines()]
    (silent / "manifest.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(RuntimeError) as caught:
        run(SIMVTP, "train", silent, tmp_path / "out", **TINY[SIMVTP], **QUICK)
    assert isinstance(caught.value.__cause__, DataError)
    assert "a table with a column caption" in str(caught.value.__cause__)
