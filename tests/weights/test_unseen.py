"""Heads and epsilons, which tensors do not show: written with our files, compared when they are loaded."""

from __future__ import annotations

import json

import pytest
import torch
from torch import nn

from medmae.errors import DataError
from medmae.methods.av_mae import av_mae_tiny
from medmae.methods.bootmae import bootmae_tiny
from medmae.methods.mae import mae_tiny
from medmae.methods.simvtp import simvtp_tiny
from medmae.methods.smaug import smaug_tiny
from medmae.nn.heads import Classifier, FeatureMap
from medmae.nn.vit import MaskedViT
from medmae.recipes.finish import save_models
from medmae.tokens.text import SPECIAL
from medmae.weights.exchange import export_file, import_file
from medmae.weights.io import load_weights, save_safetensors
from medmae.weights.pretrained import load_encoder
from medmae.weights.unseen import header, read_unseen, unseen_of

OTHERS = [({"num_heads": 2}, "num_heads"), ({"norm_eps": 1e-5}, "eps")]
FILES = ["model.safetensors", "pretraining.safetensors"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """What a pre-training leaves."""
    path, method = tmp_path_factory.mktemp("models"), mae_tiny()
    save_models(method=method, network=FeatureMap(encoder=method.encoder), model_dir=path)
    return path


def assert_refused(load, module, path, field):
    before = {name: value.clone() for name, value in module.state_dict().items()}
    with pytest.raises(DataError, match=r"the weights were trained with .* and this network has") as caught:
        load(module, path)
    assert caught.value.field == field
    torch.testing.assert_close(dict(module.state_dict()), before, rtol=0, atol=0)


@pytest.mark.parametrize(("options", "field"), OTHERS)
def test_a_method_of_other_heads_or_epsilon_is_refused(options, field, folder):
    assert_refused(load_weights, mae_tiny(**options), folder / "pretraining.safetensors", field)


def test_an_encoder_with_the_other_form_of_gelu_is_refused(tmp_path):
    sizes = {"image_size": 16, "patch_size": 8, "embed_dim": 16, "depth": 1, "num_heads": 2}
    for theirs, ours in (("exact", "tanh"), ("tanh", "exact")):
        method = Classifier(encoder=MaskedViT(**sizes, gelu=theirs), num_classes=2)
        path = tmp_path / f"{theirs}.safetensors"
        save_safetensors(method.state_dict(), path, metadata=header(method))
        other = Classifier(encoder=MaskedViT(**sizes, gelu=ours), num_classes=2)
        assert_refused(load_weights, other, path, "approximate")
        load_weights(Classifier(encoder=MaskedViT(**sizes, gelu=theirs), num_classes=2), path)


@pytest.mark.parametrize(
    ("theirs", "ours", "field"),
    [
        ({"fusion": "shared"}, {"fusion": "early"}, "fusion"),
        ({"fusion": "early"}, {"fusion": "shared"}, "fusion"),
        ({"decoder": "shared"}, {"decoder": "joint"}, "sharing"),
    ],
)
def test_kinds_that_are_fused_or_decoded_otherwise_have_the_same_tensors_and_are_refused(theirs, ours, field, tmp_path):
    path, method = tmp_path / "theirs.safetensors", av_mae_tiny(**theirs)
    save_safetensors(method.state_dict(), path, metadata=header(method))
    other = av_mae_tiny(**ours)
    assert other.state_dict().keys() == method.state_dict().keys()
    assert_refused(load_weights, other, path, field)
    load_weights(av_mae_tiny(**theirs), path)


def test_so_is_one_whose_decoder_alone_has_other_heads(folder):
    assert_refused(load_weights, mae_tiny(decoder_heads=2), folder / "pretraining.safetensors", "num_heads")


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize(("options", "field"), OTHERS)
def test_an_encoder_of_other_heads_or_epsilon_is_refused(options, field, file, folder):
    classifier = Classifier(encoder=mae_tiny(**options).encoder, num_classes=2, pool="mean")
    assert_refused(load_encoder, classifier, folder / file, field)


@pytest.mark.parametrize("file", FILES)
def test_the_same_encoder_is_taken_whatever_stands_on_it(file, folder):
    classifier = Classifier(encoder=mae_tiny().encoder, num_classes=2, pool="mean")
    assert load_encoder(classifier, folder / file).matched
    assert load_encoder(mae_tiny(decoder_heads=2), folder / file).matched


def test_weights_of_other_words_are_refused_though_they_are_as_many(tmp_path):
    words = (*SPECIAL, "left", "right")
    others = {"vocabulary": (*SPECIAL, "right", "left")}
    for make, part in ((simvtp_tiny, "encoder.words"), (smaug_tiny, "encoder.text.words")):
        method = make(vocabulary=words)
        save_models(method=method, network=FeatureMap(encoder=mae_tiny().encoder), model_dir=tmp_path)
        assert read_unseen(tmp_path / FILES[1])["vocabulary_sha256"] == {part: method.vocabulary.sha256}
        assert_refused(load_weights, make(**others), tmp_path / FILES[1], "vocabulary_sha256")
        assert_refused(load_encoder, make(**others), tmp_path / FILES[1], "vocabulary_sha256")
        load_weights(make(vocabulary=words), tmp_path / FILES[1])


def test_imported_and_exported_encoders_say_it_too(folder, tmp_path):
    paths = tmp_path / "imported.safetensors", tmp_path / "exported.safetensors"
    whole = folder / "pretraining.safetensors"
    import_file(whole, paths[0], method=mae_tiny(), source=None, encoder_only=True)
    export_file(whole, paths[1], method=mae_tiny(), to="encoder")
    for path in paths:
        assert_refused(load_encoder, mae_tiny(num_heads=2), path, "num_heads")
        load_encoder(mae_tiny(), path)


def test_a_file_that_does_not_say_it_is_loaded_as_ever(tmp_path):
    save_safetensors(mae_tiny().state_dict(), tmp_path / "plain.safetensors")
    load_weights(mae_tiny(num_heads=2), tmp_path / "plain.safetensors")


def test_every_attention_and_every_norm_is_named(tmp_path):
    method = bootmae_tiny()
    save_safetensors(method.state_dict(), tmp_path / "whole.safetensors", metadata=header(method))
    said = read_unseen(tmp_path / "whole.safetensors")
    assert said == unseen_of(method)
    norms = {name for name, part in method.named_modules() if isinstance(part, nn.LayerNorm)}
    assert norms <= said["eps"].keys()
    assert said["num_heads"]["pixel_decoder.blocks.0.cross_attn"] == 4


@pytest.mark.parametrize("text", ["no json", "[]", json.dumps({"eps": {"norm": "small"}})])
def test_a_header_that_says_it_otherwise_is_refused(text, tmp_path):
    save_safetensors(mae_tiny().state_dict(), tmp_path / "odd.safetensors", metadata={"unseen": text})
    with pytest.raises(DataError, match="does not say 'unseen' as medmae writes it"):
        load_weights(mae_tiny(), tmp_path / "odd.safetensors")


def test_a_file_that_is_none_of_safetensors_is_called_that(tmp_path):
    (tmp_path / "notes.safetensors").write_bytes(b"not weights")
    with pytest.raises(DataError, match="no readable safetensors file"):
        read_unseen(tmp_path / "notes.safetensors")
