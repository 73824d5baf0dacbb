"""Bundles of several kinds of data: what they begin with, what they learn from, and what they are judged by."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch.testing import assert_close

from data_prep.tiny import echoes, moments
from medmae.bundle.run import run_bundle
from medmae.data import Manifest
from medmae.errors import DataError
from medmae.files import sha256_of
from medmae.methods.av_mae import AVMAE
from medmae.methods.mavil import MAViL
from medmae.nn.positions import ClipSinCos, SinCos
from medmae.nn.streams import ClipStream, SpectrogramStream
from medmae.weights.unseen import header
from medmae.weights.write import save_safetensors

AV, EMOTION = "audio_visual_classification", "emotion_pairwise_pretraining"
SIZES = {"image_size": 32, "frames": 4, "sound_frames": 50}
QUICK = {"epochs": 2, "batch_size": 6, "warmup_epochs": 0, "views": [1, 1]}
VOICES = {"encoders": "small", "front::bins": 40, "steps": 30, "epochs": 1, "batch_size": 6}


@pytest.fixture(scope="module")
def clips(tmp_path_factory) -> Path:
    pytest.importorskip("av", reason="videos are read by PyAV")
    return echoes.make(tmp_path_factory.mktemp("echoes"))[0]


def run(bundle, config, data, out, **more):
    run_bundle(bundle, config, overrides={"dataset_dir": str(data), "output_dir": str(out), **more})


def kept(method, path):
    save_safetensors(method.state_dict(), path, metadata=header(method))
    return str(path)


@pytest.mark.slow
def test_a_classifier_begins_with_the_encoder_of_av_mae_whose_sizes_nobody_repeats(clips, tmp_path):
    torch.manual_seed(0)
    streams = [
        ClipStream(num_frames=2, image_size=32, patch_size=8, channels=1),
        SpectrogramStream(frames=50, bands=32, patch_size=8),
    ]
    sizes = {"embed_dim": 48, "depth": 3, "num_heads": 4, "decoder_dim": 32, "decoder_depth": 1, "decoder_heads": 2}
    method = AVMAE(streams=streams, fusion_layers=1, **sizes)
    path = kept(method, tmp_path / "pretraining.safetensors")
    run(AV, "train", clips, tmp_path / "out", pretrained=path, fusion_layer=2, base_lr=1e-20, **SIZES, **QUICK)
    state = load_file(tmp_path / "out" / "models" / "classifier.safetensors")
    ours = method.encoder.state_dict()
    for name in ("image", "audio"):
        key = f"streams.{name}.patch_embed.proj.weight"
        assert torch.equal(state[f"network.encoder.{key}"], ours[key])
        last = f"streams.{name}.blocks.2.attn.qkv.weight"  # a copy of the block that both shared
        assert torch.equal(state[f"network.encoder.{last}"], ours["trunk.blocks.0.attn.qkv.weight"])
    record = json.loads((tmp_path / "out" / "evaluation" / "protocol.json").read_text())
    scores = record["tasks"]["all labels"]["scores"]
    assert {f"{way}, fine-tuned" for way in ("image alone", "audio alone", "image + audio")} <= scores.keys()
    with pytest.raises(DataError, match="bands"):
        run(AV, "train", clips, tmp_path / "x", pretrained=path, fusion_layer=2, bands=64, **SIZES, **QUICK)


@pytest.mark.slow
def test_mavil_s_head_begins_with_its_encoder_fused_blocks_included(clips, tmp_path):
    torch.manual_seed(0)
    streams = [
        SpectrogramStream(frames=48, bands=32, patch_size=8, positions=SinCos()),
        ClipStream(num_frames=4, image_size=32, patch_size=8, channels=1, positions=ClipSinCos()),
    ]
    sizes = {"embed_dim": 48, "depth": 2, "fusion_layers": 1, "num_heads": 4, "decoder_dim": 32, "decoder_heads": 2}
    method = MAViL(streams=streams, reading={}, decoder_depth={"audio": 1, "image": 1}, **sizes)
    path = kept(method, tmp_path / "pretraining.safetensors")
    cut = {**SIZES, "sound_frames": 48, "stride": 2}
    run(AV, "train,fused", clips, tmp_path / "out", pretrained=path, base_lr=1e-20, **cut, **QUICK)
    state = load_file(tmp_path / "out" / "models" / "classifier.safetensors")
    for key, value in method.encoder.state_dict().items():
        assert_close(state[f"network.encoder.{key}"], value, rtol=0, atol=1e-12)
    record = json.loads((tmp_path / "out" / "evaluation" / "protocol.json").read_text())
    scores = record["tasks"]["all labels"]["scores"]
    assert [name for name in scores if name.endswith("fine-tuned")] == ["audio + image, fine-tuned"]


@pytest.mark.slow
def test_what_is_held_out_never_enters_a_step_of_the_pairwise_contrast(tmp_path):
    """Weights are the same whatever the recordings of validation and test hold; the reference trains on both."""
    found = []
    for number in range(2):
        data = moments.make(tmp_path / f"made {number}")[0]
        if number:
            _others(data)
        run(EMOTION, "train", data, tmp_path / f"out {number}", **VOICES)
        found.append(load_file(tmp_path / f"out {number}" / "models" / "pretraining.safetensors"))
    assert found[0].keys() == found[1].keys()
    assert all(torch.equal(value, found[1][name]) for name, value in found[0].items())


@pytest.mark.slow
def test_no_label_has_a_say_in_the_pairwise_contrast(tmp_path):
    """Weights are the same whatever recordings are labelled; the reference draws its batches by their labels."""
    data, found = moments.make(tmp_path / "made")[0], []
    for number in range(2):
        if number:
            rows = [{**row, "label": f"other {place % 3}"} for place, row in enumerate(Manifest.of(data))]
            (data / "manifest.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        run(EMOTION, "train", data, tmp_path / f"out {number}", **VOICES)
        found.append(load_file(tmp_path / f"out {number}" / "models" / "pretraining.safetensors"))
    assert all(torch.equal(value, found[1][name]) for name, value in found[0].items())


def _others(data: Path) -> None:
    """Other sounds and faces in the place of all that are held out."""
    rows, rng = [dict(row) for row in Manifest.of(data)], np.random.default_rng(0)
    for row in (row for row in rows if row["split"] != "train"):
        for entry in (row, *row["series"]):
            path = data / entry["shard"]
            values = np.load(path)
            np.save(path, (rng.random(values.shape) * (3000 if values.dtype == np.int16 else 1)).astype(values.dtype))
            entry["shard_sha256"] = sha256_of(path)
    (data / "manifest.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
