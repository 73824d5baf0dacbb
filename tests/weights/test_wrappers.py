"""What trainings put around a state dict is taken off by its name; what stands beside it is said."""

from __future__ import annotations

import json
import re

import pytest
import timm
import torch
from safetensors.torch import save_file
from timm.models.deit import VisionTransformerDistilled

from medmae.errors import DataError
from medmae.methods.mae import mae_tiny
from medmae.weights.exchange import export_file, import_file
from medmae.weights.io import load_state, save_pt, save_safetensors
from medmae.weights.maps.base import ENCODER_PREFIXES, KeyMap
from medmae.weights.maps.mae import MAE
from medmae.weights.maps.timm import TIMM
from medmae.weights.pretrained import load_encoder

SIZES = {"img_size": 32, "patch_size": 8, "embed_dim": 48, "depth": 3, "num_heads": 4}


@pytest.fixture
def state():
    torch.manual_seed(0)
    return timm.models.VisionTransformer(**SIZES, num_classes=0).state_dict()


def equal(one, two):
    return one.keys() == two.keys() and all(torch.equal(value, two[key]) for key, value in one.items())


def same(method, state):
    return equal(method.encoder.state_dict(), state)


@pytest.mark.parametrize("entry", ["model", "model_state_dict", "state_dict", "module", "teacher"])
@pytest.mark.parametrize("suffix", [".pt", ".pth", ".ckpt", ".bin"])
def test_an_entry_is_unpacked_by_its_name(entry, suffix, state, tmp_path):
    torch.save(
        {entry: state, "epoch": 3, "optimizer": {"state": {}, "param_groups": [{"lr": 0.1}]}}, tmp_path / f"a{suffix}"
    )
    assert equal(load_state(tmp_path / f"a{suffix}"), state)


@pytest.mark.parametrize(
    "prefix", ["module.", "_orig_mod.", "backbone.", "model.", "module.backbone.", "_orig_mod.module."]
)
def test_a_prefix_is_taken_off_by_its_name(prefix, state, tmp_path):
    torch.save({prefix + key: value for key, value in state.items()}, tmp_path / "a.pth")
    load_encoder(method := mae_tiny(), tmp_path / "a.pth", into=["encoder"], key_map=TIMM)
    assert same(method, state)


def test_a_teacher_of_dino_comes_in_and_its_student_and_head_are_named(state, tmp_path):
    wrapped = {"backbone." + key: value for key, value in state.items()} | {"head.mlp.0.weight": torch.zeros(2, 2)}
    student = {"module." + key: value + 1 for key, value in wrapped.items()}
    torch.save({"student": student, "teacher": wrapped}, tmp_path / "dino.pth")
    with pytest.warns(UserWarning, match="several sets of weights: teacher is taken, student left"):
        report = load_encoder(method := mae_tiny(), tmp_path / "dino.pth", into=["encoder"], key_map=TIMM)
    assert same(method, state)
    assert report.dead == ["head.mlp.0.weight"]


def test_what_was_compiled_inside_is_read_as_if_it_was_not(state, tmp_path):
    torch.save({key.replace("blocks.", "blocks._orig_mod."): value for key, value in state.items()}, tmp_path / "a.pt")
    assert equal(load_state(tmp_path / "a.pt"), state)


def test_two_keys_of_one_meaning_are_refused():
    keys = KeyMap(source="x", prefixes=ENCODER_PREFIXES)
    with pytest.raises(ValueError, match=r"two keys of the file mean encoder\.norm\.weight"):
        keys.apply({"norm.weight": torch.zeros(1), "module.norm.weight": torch.ones(1)})


@pytest.mark.parametrize("adapt", [[], ["positions"], ["positions_own"]])
@pytest.mark.parametrize("key_map", [TIMM, MAE])
def test_the_token_of_a_distillation_is_never_left_behind(adapt, key_map, tmp_path):
    torch.save(VisionTransformerDistilled(**SIZES, num_classes=5).state_dict(), tmp_path / "deit.pth")
    with pytest.raises(DataError, match=r"dist_token") as refused:
        load_encoder(mae_tiny(), tmp_path / "deit.pth", into=["encoder"], key_map=key_map, adapt=adapt)
    assert adapt or "would fit" not in str(refused.value)
    assert "deit_base_patch16_224 beside deit_base_distilled_patch16_224" in refused.value.remedy
    with pytest.raises(DataError, match=r"dist_token"):
        import_file(tmp_path / "deit.pth", tmp_path / "out.safetensors", method=mae_tiny(), source="timm", adapt=adapt)
    assert not (tmp_path / "out.safetensors").exists()


def test_the_model_that_the_advice_names_loads(tmp_path):
    """timm's DeiT without distillation is its VisionTransformer."""
    model = timm.create_model("deit_base_patch16_224", **SIZES)
    assert not hasattr(model, "dist_token")
    torch.save(model.state_dict(), tmp_path / "deit.pth")
    report = load_encoder(mae_tiny(), tmp_path / "deit.pth", into=["encoder"], key_map=TIMM, adapt=[])
    assert not report.unexpected
    assert not report.missing


# ------------------------------------------------------------------------------------------------- folders of others
CONFIG = {"num_attention_heads": 4, "layer_norm_eps": 1e-6}


def write_folder(folder, state, kind, **config):
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({**CONFIG, **config}))
    if kind == "safetensors":
        save_file(state, folder / "model.safetensors")
    elif kind == "bin":
        torch.save(state, folder / "pytorch_model.bin")
    else:
        names = {key: f"model-0000{1 + number % 2}-of-00002.safetensors" for number, key in enumerate(state)}
        for name in set(names.values()):
            save_file({key: state[key] for key in state if names[key] == name}, folder / name)
        (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": names}))
    return folder


@pytest.mark.parametrize("kind", ["safetensors", "bin", "parts"])
def test_a_folder_of_hugging_face_is_read(kind, state, tmp_path):
    folder = write_folder(tmp_path / "vit", state, kind)
    load_encoder(method := mae_tiny(), folder, into=["encoder"], key_map=TIMM)
    assert same(method, state)


@pytest.mark.parametrize(
    ("config", "told"), [({"num_attention_heads": 8}, "num_heads=8 .* has 4"), ({"layer_norm_eps": 1e-12}, "eps=1e-12")]
)
def test_what_its_configuration_says_and_tensors_do_not_show_is_compared(config, told, state, tmp_path):
    with pytest.raises(DataError, match=told):
        load_encoder(mae_tiny(), write_folder(tmp_path / "vit", state, "bin", **config), into=["encoder"], key_map=TIMM)


def test_a_folder_without_weights_and_an_index_that_leads_away_are_refused(state, tmp_path):
    with pytest.raises(DataError, match=r"holds neither model\.safetensors nor pytorch_model\.bin"):
        load_state(tmp_path)
    folder = write_folder(tmp_path / "vit", state, "parts")
    (folder / "model.safetensors.index.json").write_text('{"weight_map": {"a": "../a.safetensors"}}')
    with pytest.raises(DataError, match="names no files beside it"):
        load_state(folder)


# ------------------------------------------------------------------------------------------------ names that say what
@pytest.fixture
def trained(tmp_path):
    method = mae_tiny()
    save_safetensors(method.state_dict(), tmp_path / "pretraining.safetensors")
    return tmp_path / "pretraining.safetensors", method


@pytest.mark.parametrize(("to", "entry"), [("mae", "model"), ("timm", None)])
@pytest.mark.parametrize("suffix", [".pth", ".pt", ".bin", ".safetensors"])
def test_what_is_written_is_what_its_name_says(to, entry, suffix, trained, tmp_path):
    done = export_file(trained[0], tmp_path / f"out{suffix}", method=mae_tiny(), to=to)
    back = import_file(done.path, tmp_path / "back.safetensors", method=mae_tiny(), source=to, encoder_only=True)
    assert back.fits
    if suffix != ".safetensors":
        loaded = torch.load(done.path, weights_only=True)
        assert "cls_token" in (loaded if entry is None else loaded[entry])


@pytest.mark.parametrize(
    ("to", "name"),
    [
        ("onnx", "a.pt"),
        ("encoder", "a.pth"),
        ("timm", "a.onnx"),
        ("vit_mae", "a.bin"),
        ("mae", "a"),
        ("monai", "a.PTH"),
    ],
)
def test_a_name_that_says_another_format_is_refused_before_anything_is_written(to, name, trained, tmp_path):
    with pytest.raises(DataError, match=re.escape(name)):
        export_file(trained[0], tmp_path / name, method=mae_tiny(), to=to, drop_class_token=to == "monai")
    assert not (tmp_path / name).exists()


def test_what_is_imported_is_called_safetensors(trained, tmp_path):
    save_pt(trained[1].state_dict(), tmp_path / "a.pt")
    with pytest.raises(DataError, match=r"another format.*\.safetensors"):
        import_file(tmp_path / "a.pt", tmp_path / "b.pth", method=mae_tiny(), source=None)
    with pytest.raises(DataError, match="another format"):
        save_safetensors(trained[1].state_dict(), tmp_path / "b.pth")
    assert not (tmp_path / "b.pth").exists()
