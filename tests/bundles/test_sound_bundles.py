"""Bundles of sounds, and of clips with sounds: pre-training, its evaluation, what weights know of their front end."""

import json
from pathlib import Path

import h5py
import pytest
import torch

from data_prep.tiny import echoes
from data_prep.tiny.sounds import make
from medmae.bundle.run import run_bundle
from medmae.errors import DataError, SomeFailedError
from medmae.weights.about import read_about
from medmae.weights.read import load_state

AUDIO, AV_MAE, MAVIL = "audio_mae_pretraining", "audio_visual_av_mae_pretraining", "audio_visual_mavil_pretraining"
HEARTS = {"rate": 4000, "low": 25.0, "high": 1000.0, "frame_s": 0.064, "preemphasis": 0.0}
TINY = {"method::_target_": "medmae.methods.audio_mae.audio_mae_tiny", "frames": 64, "bands": 32}
FRONT = {f"front::{name}": value for name, value in HEARTS.items()}
CLIPS = {"image_size": 32, "frames": 4, "stride": 2, "channels": 1, "sound_frames": 50, "bands": 32, "patch_size": 8}
CLIPS |= {"method::_target_": "medmae.methods.av_mae.av_mae_tiny"}
OF_MAVIL = {name: value for name, value in CLIPS.items() if name != "stride"}
OF_MAVIL |= {"method::_target_": "medmae.methods.mavil.mavil_tiny", "step": 0.08, "sound_frames": 64}
QUICK = {"epochs": 2, "batch_size": 4, "warmup_epochs": 0}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory) -> Path:
    return make(tmp_path_factory.mktemp("sounds"))[0]


@pytest.fixture(scope="module")
def trained(prepared, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("trained")
    run("train", prepared, out, **TINY, **FRONT, **QUICK)
    return out


@pytest.fixture(scope="module")
def echo_clips(tmp_path_factory) -> Path:
    pytest.importorskip("av", reason="videos are read by PyAV")
    return echoes.make(tmp_path_factory.mktemp("echoes"))[0]


@pytest.fixture(scope="module")
def sounded(echo_clips, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("sounded")
    run("train", echo_clips, out, bundle=AV_MAE, **CLIPS, **QUICK)
    return out


def run(config, data, out, *, bundle=AUDIO, **more):
    run_bundle(bundle, config, overrides={"dataset_dir": str(data), "output_dir": str(out), **more})


def test_weights_know_their_front_end_and_are_evaluated_as_at_the_end_of_training(prepared, trained, tmp_path):
    said = read_about(trained / "models" / "pretraining.safetensors")["view"]["cut"]["front"]["arguments"]
    assert HEARTS.items() <= said.items()
    run("evaluate", prepared, tmp_path, model_dir=str(trained / "models"))
    then, mine = (json.loads((folder / "evaluation" / "summary.json").read_text()) for folder in (trained, tmp_path))
    assert mine["psnr_model"]["mean"] == pytest.approx(then["psnr_model"]["mean"], rel=1e-5)


def test_a_front_end_that_is_said_again_stands_against_that_of_the_weights(prepared, trained, tmp_path):
    with pytest.raises(RuntimeError) as caught:
        run("inference", prepared, tmp_path, model_dir=str(trained / "models"), **{"front::rate": 8000})
    assert isinstance(caught.value.__cause__, DataError)
    assert "the front end takes 8000 Hz" in str(caught.value.__cause__)


def test_every_sound_has_one_embedding(prepared, trained, tmp_path):
    run("inference", prepared, tmp_path, model_dir=str(trained / "models"))
    rows = (prepared / "manifest.jsonl").read_text().splitlines()
    with h5py.File(tmp_path / "embeddings" / "all.h5") as file:
        assert file["features"].shape == (len(rows), 48)


def test_sizes_of_clips_and_of_sounds_are_those_of_the_weights(echo_clips, sounded, tmp_path):
    run("evaluate", echo_clips, tmp_path, bundle=AV_MAE, model_dir=str(sounded / "models"))
    then, mine = (json.loads((folder / "evaluation" / "summary.json").read_text()) for folder in (sounded, tmp_path))
    assert "psnr_model" not in mine  # decibels of pixels and of a spectrogram are not one thing
    for name in ("psnr_image_model", "psnr_audio_model"):
        assert mine[name]["mean"] == pytest.approx(then[name]["mean"], rel=1e-5)
    page = (tmp_path / "report.html").read_text()
    assert " · audio" in page or ">audio<" in page
    with pytest.raises(DataError, match=r"trained with bands = 32, and 64 is wanted"):
        run("evaluate", echo_clips, tmp_path, bundle=AV_MAE, model_dir=str(sounded / "models"), bands=64)


@pytest.mark.parametrize(("kinds", "rows"), [(None, 24), (["image"], 24), (["audio"], 22), (["image", "audio"], 22)])
def test_one_checkpoint_gives_features_of_clips_of_sounds_or_of_both(kinds, rows, echo_clips, sounded, tmp_path):
    def embed():
        run("inference", echo_clips, tmp_path, bundle=AV_MAE, model_dir=str(sounded / "models"), kinds=kinds)

    if rows < 24:
        with pytest.raises(RuntimeError) as caught:
            embed()
        assert isinstance(caught.value.__cause__, SomeFailedError)
        assert "all without 2 samples: it has no" in str(caught.value.__cause__)
    else:
        embed()
    with h5py.File(tmp_path / "embeddings" / "all.h5") as file:
        assert file["features"].shape == (rows, 48)
        assert file.attrs["kinds"] == " ".join(kinds or ["whatever a sample has"])


@pytest.fixture(scope="module")
def first_stage(echo_clips, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("first")
    run("train", echo_clips, out, bundle=MAVIL, **OF_MAVIL, **QUICK)
    return out


@pytest.fixture(scope="module")
def second_stage(echo_clips, first_stage, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("second")
    teacher = str(first_stage / "models" / "pretraining.safetensors")
    run("train", echo_clips, out, bundle=MAVIL, teacher=teacher, **OF_MAVIL, **QUICK)
    return out


def test_a_second_stage_learns_from_the_weights_of_a_first_and_says_so(first_stage, second_stage):
    of = {name: load_state(out / "models" / "pretraining.safetensors") for name, out in both(first_stage, second_stage)}
    patch = 2 * 8 * 8  # values of a cube, of one channel
    assert of["first"]["heads.image.1.weight"].shape[0] == patch
    assert of["second"]["heads.image.1.weight"].shape[0] == 48  # a teacher's token
    assert not any(key.startswith("teacher") for key in of["second"])
    key = "encoder.streams.image.blocks.0.attn.qkv.weight"
    assert not torch.equal(of["first"][key], of["second"][key])  # it began anew
    config = json.loads((second_stage / "run.json").read_text())["config"]
    assert config["teacher"].endswith("pretraining.safetensors")
    seen = {
        name: read_about(out / "models" / "pretraining.safetensors")["seen"]
        for name, out in both(first_stage, second_stage)
    }
    assert len(seen["second"]) > len(seen["first"])  # whom the teacher saw, too
    assert "rebuilds nothing of what it hides" not in (first_stage / "report.html").read_text()


def test_features_of_a_second_stage_are_taken_like_others(echo_clips, second_stage, tmp_path):
    run("inference", echo_clips, tmp_path, bundle=MAVIL, model_dir=str(second_stage / "models"), kinds=["image"])
    with h5py.File(tmp_path / "embeddings" / "all.h5") as file:
        assert file["features"].shape == (24, 48)


def test_what_a_second_stage_does_not_rebuild_is_not_scored_and_that_is_told(echo_clips, second_stage, tmp_path, capfd):
    run("evaluate", echo_clips, tmp_path, bundle=MAVIL, model_dir=str(second_stage / "models"))
    said = capfd.readouterr()
    assert "MAViL rebuilds nothing of what it hides" in said.err + said.out
    assert not list((tmp_path / "evaluation").glob("reconstruction.csv"))
    assert not (tmp_path / "evaluation" / "sounds").exists()


def both(first: Path, second: Path) -> list[tuple[str, Path]]:
    return [("first", first), ("second", second)]


@pytest.mark.slow
def test_cav_mae_is_a_training_of_mavils_bundle(echo_clips, tmp_path):
    sizes = {name: value for name, value in OF_MAVIL.items() if name != "frames"}
    tiny = {**sizes, "method::_target_": "medmae.methods.mavil.cav_mae_tiny", **QUICK, "epochs": 1}
    run("train,cav_mae", echo_clips, tmp_path / "run", bundle=MAVIL, **tiny)
    models = tmp_path / "run" / "models"
    keys = load_state(models / "pretraining.safetensors").keys()
    assert "encoder.trunk.blocks.0.norms1.audio.weight" in keys
    assert not [key for key in keys if key.startswith("projections.")]
    run("retrieval", echo_clips, tmp_path / "found", bundle=MAVIL, model_dir=str(models))
    assert (tmp_path / "found" / "report.html").is_file()


@pytest.mark.slow
@pytest.mark.parametrize("bundle", [AV_MAE, MAVIL])
def test_a_frozen_encoder_is_judged_by_sound_by_pictures_and_by_both(bundle, echo_clips, sounded, tmp_path):
    models = sounded / "models"
    if bundle == MAVIL:
        run("train", echo_clips, tmp_path / "run", bundle=MAVIL, **OF_MAVIL, **QUICK)
        models = tmp_path / "run" / "models"
    before = (models / "pretraining.safetensors").read_bytes()
    run("downstream", echo_clips, tmp_path / "down", bundle=bundle, model_dir=str(models), few=2)
    record = json.loads((tmp_path / "down" / "evaluation" / "protocol.json").read_text())
    assert len(record["tasks"]) == 2  # all labels, and two a class
    for task in record["tasks"].values():
        ways = {name.split(", ")[0] for name in task["scores"]} - {name.split(", ")[0] for name in task["baselines"]}
        assert ways == {"audio alone", "image alone", "audio + image" if bundle == MAVIL else "image + audio"}
        assert {"untrained", "log-spectrum of audio", "mean frame of image"} <= {
            name.split(", ")[0] for name in task["baselines"]
        }
    assert (models / "pretraining.safetensors").read_bytes() == before
    assert "audio alone" in (tmp_path / "down" / "report.html").read_text()
