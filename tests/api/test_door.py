"""``import medmae``: light, typed, and honest about wrong arguments."""

from __future__ import annotations

import subprocess
import sys
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch

import medmae
from medmae.annotated import fits, spoken
from medmae.data import Pictures, Samples
from medmae.errors import DataError
from medmae.nn.vit import MaskedViT
from medmae.weights.io import save_safetensors
from medmae.weights.unseen import header

SMALL = {"image_size": 16, "patch_size": 8, "in_channels": 1}


@pytest.fixture(scope="module")
def method():
    torch.manual_seed(0)
    return medmae.create("mae", preset="tiny", **SMALL)


@pytest.fixture(scope="module")
def weights(method, tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "pretraining.safetensors"
    save_safetensors(method.state_dict(), path, metadata=header(method))
    return path


def test_importing_loads_nothing_heavy():
    code = (
        "import sys, time; begin = time.perf_counter(); import medmae; took = time.perf_counter() - begin\n"
        "print({'torch', 'monai', 'numpy', 'timm', 'pytorch_lightning'} & set(sys.modules), took)"
    )
    found = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    heavy, took = found.rsplit(" ", 1)
    assert heavy == "set()"
    assert float(took) < 0.3


def test_everything_named_is_there_and_documented():
    assert {name for name in medmae.__all__ if not getattr(medmae, name).__doc__} == set()
    with pytest.raises(AttributeError, match="from here come Embedded, Run, create, embed"):
        medmae.load_encode  # noqa: B018


def test_methods_stay_a_package_and_list_themselves():
    import medmae.methods.mae

    assert {"mae", "edge_mae"} <= medmae.methods().keys()
    assert medmae.methods.mae.MAE is medmae.methods()["mae"].cls


@pytest.mark.parametrize(
    ("name", "preset", "message"),
    [("mea", "tiny", "no method 'mea'; did you mean mae"), ("mae", "smal", "no preset 'smal'; there are .*small")],
)
def test_a_misspelt_method_or_preset_is_named(name, preset, message):
    with pytest.raises(ValueError, match=message):
        medmae.create(name, preset=preset)


@pytest.mark.parametrize("name", sorted(medmae.methods()))
def test_a_bare_tensor_is_no_batch(name):
    method = medmae.create(name, preset="tiny")
    with pytest.raises(ValueError, match=rf'batch must be a mapping .*"{next(iter(method.kinds))}".* got a Tensor'):
        method(next(iter(method.example_batch().values())))


def test_bytes_are_no_images(method):
    with pytest.raises(ValueError, match=r"images.float\(\) / 255"):
        medmae.embed(method.encoder, np.zeros((2, 1, 16, 16), dtype=np.uint8))


def test_an_encoder_needs_no_more_than_its_file(method, weights):
    encoder = medmae.load_encoder(weights)
    assert not encoder.training
    data = torch.rand(3, 1, 16, 16)
    assert torch.equal(encoder.features(data), method.encoder.features(data))


def test_embedded_arrays_are_the_encoder_s_features(method):
    data = torch.rand(3, 1, 16, 16)
    found = medmae.embed(method.encoder, data, batch_size=2, device="cpu")
    np.testing.assert_allclose(found.features, method.encoder.features(data).detach(), atol=1e-6)
    assert list(found.names) == ["0", "1", "2"]
    assert len(found) == 3


def test_doubles_of_numpy_are_embedded_as_what_they_are(method):
    images = np.random.default_rng(0).random((2, 1, 16, 16))
    found = medmae.embed(method.encoder, images).features
    np.testing.assert_array_equal(found, medmae.embed(method.encoder, images.astype(np.float32)).features)


def test_a_folder_is_embedded_in_the_order_of_its_names_with_patients_and_classes(method, images):
    found = medmae.embed(method.encoder, images, device="cpu")
    assert found.features.shape == (40, method.encoder.dim)
    assert set(found.labels) == {"blobs", "stripes"}
    own = Samples(source=images, view=Pictures(size=16, channels=1), split=None)
    np.testing.assert_array_equal(medmae.embed(method.encoder, own, device="cpu").features, found.features)
    assert list(found.names) == [own.describe(number).case for number in range(40)]


def test_prepared_volumes_are_embedded_as_slices(tmp_path):
    from data_prep.tiny import make

    encoder = MaskedViT(image_size=32, patch_size=8, in_channels=1, embed_dim=32, depth=1, num_heads=2)
    found = medmae.embed(encoder, make("mr", tmp_path)[0], device="cpu")
    assert found.features.shape[1] == 32
    assert len(set(found.subjects)) > 1


def test_unreadable_images_are_refused_not_left_out(method, tmp_path):
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(DataError, match="broken"), pytest.warns(UserWarning, match="left out"):
        medmae.embed(method.encoder, tmp_path, device="cpu")


@pytest.mark.parametrize(
    ("encoder", "data", "message"),
    [
        ("method", "images", r"encoder is a MAE, .*method\.encoder"),
        ("volumes", "images", r"'image' of axes depth, row, column.*data=medmae\.data\.Samples"),
        ("encoder", [1, 2], r"data must be a path, medmae.data.Samples, a tensor or an array, got \[1, 2\] \(list\)"),
        ("encoder", torch.tensor(3.0), r"data must hold samples \(N, C, \*size\), got the shape \(\)"),
        ("encoder", torch.rand(0, 1, 16, 16), "data must hold samples"),
        ("encoder", torch.full((2, 1, 16, 16), torch.nan), "NaN or infinity, in 2 of 2 samples"),
        ("encoder", np.array(["a"]), "data must hold real numbers"),
        ("encoder", torch.zeros(1, 1, 16, 16, dtype=torch.complex64), "data must hold real numbers"),
    ],
)
def test_what_cannot_be_embedded_is_named(method, images, encoder, data, message):
    volumes = MaskedViT(image_size=(8, 16, 16), patch_size=8, in_channels=1, embed_dim=48, depth=1, num_heads=2)
    chosen = {"method": method, "encoder": method.encoder, "volumes": volumes}[encoder]
    with pytest.raises(ValueError, match=message):
        medmae.embed(chosen, images if data == "images" else data)


def test_a_published_layout_goes_by_its_name(method, weights):
    with pytest.raises(ValueError, match=r"no layout 'tim' is known; there are .*timm"):
        medmae.load_encoder(weights, into=method, key_map="tim")
    with pytest.raises(ValueError, match=r"key_map must be a text or None, got 3 \(int\)"):
        medmae.load_encoder(weights, into=method, key_map=3)


def test_a_layout_without_a_network_is_refused(weights):
    with pytest.raises(ValueError, match=r"key_map='timm' is for published files.*into=medmae\.create"):
        medmae.load_encoder(weights, key_map="timm")


def test_one_rule_of_adapting_is_one_word(method, weights):
    coloured = medmae.create("mae", preset="tiny", **{**SMALL, "in_channels": 3})
    with pytest.raises(DataError, match="channels"):
        medmae.load_encoder(weights, into=coloured)
    found = medmae.load_encoder(weights, into=coloured, adapt="channels")
    assert found is coloured.encoder
    with pytest.raises(ValueError, match=r"adapt must be .*'channels'.* or a list of such, got 'chanels' \(str\)"):
        medmae.load_encoder(weights, into=coloured, adapt="chanels")


def test_samples_need_others_to_be_tested_on(method, images, tmp_path):
    own = Samples(source=images, view=Pictures(size=16, channels=1), split=None)
    with pytest.raises(ValueError, match="test is missing"):
        medmae.evaluate(method.encoder, own, out=tmp_path)


def test_what_a_recipe_refuses_is_told_as_it_is(images, tmp_path):
    with pytest.raises(DataError, match=r"gives no batch .*lower batch_size"):
        medmae.pretrain("mae", images, out=tmp_path / "run", config="train,demo", epochs=1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"method": "mea"}, "method: no recipe trains 'mea'; did you mean mae"),
        ({"method": "mae", "preset": "smal"}, "preset: mae has no 'smal'; did you mean small"),
        ({"method": "mae", "epochz": 3}, "did you mean epochs"),
        ({"method": "mae", "epochs": "ten"}, "epochs"),
        ({"method": "mae", "config": "trian"}, "config: .* no configuration 'trian'; did you mean train"),
        ({"method": "mae", "config": "evaluate"}, "config: 'evaluate' trains nothing"),
        ({"method": "mae", "config": 3}, r"config must be a text, got 3 \(int\)"),
    ],
)
def test_what_cannot_be_trained_is_named(images, tmp_path, arguments, message):
    with pytest.raises(ValueError, match=message):
        medmae.pretrain(data=images, out=tmp_path / "run", **arguments)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: medmae.methods(3), r"medmae\.methods\(\) takes no argument"),
        (lambda: medmae.create(), "medmae.create needs name; it takes name, preset"),
        (lambda: medmae.create("mae", "tiny"), "takes name without a name, and got 2 .*name=value"),
        (lambda: medmae.create("mae", preset="tiny", depth=2.5), "mae: depth must be a whole number, got 2.5"),
        (lambda: medmae.create("mae", preset="tiny", embed_dim=0), "width 0"),
        (lambda: medmae.create("mae", preset="tiny", depth=-1), "no -1 blocks"),
        (lambda: medmae.pretrain("mae", "images"), "medmae.pretrain needs out"),
        (lambda: medmae.pretrain("mae", torch.rand(1), out="run"), "data must be a path, got tensor"),
        (lambda: medmae.pretrain("mae", "images", out=None), "out must be a path, got None"),
        (lambda: medmae.load_encoder("gone.safetensors"), "gone.safetensors: no such weight file -> check the path"),
        (lambda: medmae.load_encoder(None), "path must be a path, got None"),
        (lambda: medmae.load_encoder("x", keymap="timm"), "no argument 'keymap'; did you mean key_map"),
        (lambda: medmae.load_encoder("x", into="mae"), "into must be a network or None, got 'mae'"),
        (lambda: medmae.embed("x"), "medmae.embed needs data"),
        (lambda: medmae.embed("x", "images"), "encoder is a str, .*load_encoder"),
        (lambda: medmae.embed("x", "images", encoder="x"), "got 'encoder' twice"),
        (lambda: medmae.evaluate("x", "images", out="run", fewer=3), "no argument 'fewer'; did you mean few"),
        (lambda: medmae.evaluate("x", "images", out="run", few="ten"), "few must be a whole number or None, got 'ten'"),
        (lambda: medmae.evaluate("x", "images", out="run", seeds=3), "seeds must be a list .*, got 3"),
        (lambda: medmae.evaluate("x", "images", out="run", seeds=()), "seeds must name one"),
        (lambda: medmae.evaluate("x", torch.rand(1), out="run"), "data must be a path or medmae.data.Samples, got"),
        (lambda: medmae.evaluate("gone.safetensors", "images", out="run"), "no such weight file"),
        (lambda: medmae.evaluate("x", "images", out="run", device="gpu"), "no such device here"),
        (lambda: medmae.evaluate("x", "images", out="run", fine_tune="yes"), "fine_tune must be True or False"),
    ],
)
def test_a_wrong_argument_of_any_door_is_named(call, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=message):
        call()
    assert not list(tmp_path.iterdir())


def test_a_folder_is_no_file_of_weights_and_the_file_in_it_is_named(weights, tmp_path):
    with pytest.raises(DataError, match=r"a folder.*-> name one of .*pretraining\.safetensors"):
        medmae.load_encoder(weights.parent)
    with pytest.raises(DataError, match=r"a folder.*-> name a file, such as RUN/models"):
        medmae.load_encoder(tmp_path)


@pytest.mark.parametrize(("batch_size", "message"), [(0, "must be 1 or more"), ("8", "a whole number, got '8'")])
def test_batches_hold_something(method, batch_size, message):
    with pytest.raises(ValueError, match=message):
        medmae.embed(method.encoder, torch.rand(1, 1, 16, 16), batch_size=batch_size)


def test_a_misspelt_method_is_told_without_torch():
    code = (
        "import sys, medmae\ntry: medmae.pretrain('mea', 'images', out='run')\n"
        "except ValueError as error: print(error)\nprint({'torch', 'monai', 'pytorch_lightning'} & set(sys.modules))"
    )
    found = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert found.splitlines() == ["method: no recipe trains 'mea'; did you mean mae?", "set()"]


def test_a_recipe_s_method_is_called_as_its_module():
    from medmae.api.pretraining import _recipes

    assert {f"medmae.methods.{name}" for name in _recipes()} <= {
        one.cls.__module__ for one in medmae.methods().values()
    }
    assert all(one.cls.__module__ == f"medmae.methods.{name}" for name, one in medmae.methods().items())


@pytest.mark.parametrize(
    ("value", "hint", "whether"),
    [
        (3, int | None, True),
        (True, int, False),
        (3, float, True),
        ("a", Literal["a", "b"], True),
        (1, Literal[True], False),
        ([1, 2], Sequence[int], True),
        ("12", Sequence[str], False),
        ((0.5, "x"), Sequence[float], False),
        ({"a": 1}, Sequence[str], False),
        ({"a": 1}, Mapping[str, int], True),
        (np.float32(0.5), float, True),
        (object(), Any, True),
    ],
)
def test_values_fit_what_is_annotated(value, hint, whether):
    assert fits(value, hint) is whether


def test_annotations_are_said_in_words():
    assert spoken(str | Path | None) == "a path or None"
    assert spoken(Literal["a", "b"] | Sequence[Literal["a", "b"]]) == "'a', 'b' or a list of such"
    assert spoken(int | Sequence[float]) == "a whole number or a list (a number each)"


def test_data_of_another_unit_is_warned_of(method):
    with pytest.warns(UserWarning, match=r"from 0 to 255, and the encoder takes \[0, 1\]"):
        medmae.embed(method.encoder, torch.linspace(0, 255, 256).reshape(1, 1, 16, 16))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        medmae.embed(method.encoder, torch.linspace(0, 1, 256).reshape(1, 1, 16, 16))
