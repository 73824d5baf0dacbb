"""The encoder of a pre-training, in every encoder of what is fine-tuned on it."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.testing import assert_close

import medmae
from medmae.errors import DataError
from medmae.methods.av_mae import av_mae_tiny
from medmae.methods.cmae import cmae_tiny
from medmae.methods.edge_mae import edge_mae_tiny
from medmae.methods.mt_unet import mt_unet_tiny
from medmae.nn.fused_encoder import FusedEncoder
from medmae.nn.heads import Classifier, FeatureMap
from medmae.nn.teacher import FrozenTeacher
from medmae.weights.io import save_pt, save_safetensors
from medmae.weights.maps.edge_mae import EDGE_MAE
from medmae.weights.pretrained import load_encoder
from medmae.weights.unseen import header

BOTH = ("encoder", "feature_extractor")


def published(state):
    """Our state under the keys of ``EdgeMAE.pth``."""
    renamed = {}
    for key, value in state.items():
        for theirs, ours in EDGE_MAE.prefixes:
            if key.startswith(ours):
                renamed[theirs + key.removeprefix(ours)] = value
    return renamed


@pytest.fixture
def pretrained():
    torch.manual_seed(1)
    method = edge_mae_tiny()
    nn.init.normal_(method.encoder.norm.bias)
    return method


@pytest.fixture
def method():
    torch.manual_seed(2)
    return mt_unet_tiny()


def same(one, two):
    return all(torch.equal(value, two.state_dict()[key]) for key, value in one.state_dict().items())


def test_encoder_and_feature_extractor_get_the_weights_and_nothing_else_changes(pretrained, method, tmp_path):
    save_safetensors(pretrained.state_dict(), tmp_path / "pretraining.safetensors")
    unet = {key: value.clone() for key, value in method.unet.state_dict().items()}
    report = load_encoder(method, tmp_path / "pretraining.safetensors", into=BOTH)
    assert same(pretrained.encoder, method.encoder)
    assert same(pretrained.encoder, method.feature_extractor)
    assert all(torch.equal(value, unet[key]) for key, value in method.unet.state_dict().items())
    assert len(report.matched) == 2 * len(pretrained.encoder.state_dict())
    assert report.missing == report.unexpected == []
    assert {key.split(".")[0] for key in report.dead} == {"decoder", "image_head", "edge_head", "sobel"}


def test_one_of_several_encoders_must_be_named_and_the_others_stay(pretrained, method, tmp_path):
    save_safetensors(pretrained.state_dict(), tmp_path / "pretraining.safetensors")
    extractor = {key: value.clone() for key, value in method.feature_extractor.state_dict().items()}
    with pytest.raises(ValueError, match="several encoders, encoder, feature_extractor"):
        load_encoder(method, tmp_path / "pretraining.safetensors")
    with pytest.raises(ValueError, match="no encoder 'audio'"):
        load_encoder(method, tmp_path / "pretraining.safetensors", into=["encoder", "audio"])
    assert not same(pretrained.encoder, method.encoder)
    load_encoder(method, tmp_path / "pretraining.safetensors", into=["encoder"])
    assert same(pretrained.encoder, method.encoder)
    assert all(torch.equal(value, extractor[key]) for key, value in method.feature_extractor.state_dict().items())


def test_a_teacher_starts_as_the_encoder_that_it_follows(tmp_path):
    torch.manual_seed(3)
    saved, method = cmae_tiny(), cmae_tiny()
    save_safetensors(saved.encoder.state_dict(), tmp_path / "encoder.safetensors")
    load_encoder(method, tmp_path / "encoder.safetensors")
    teacher = method.target_encoder.network
    assert same(saved.encoder, method.encoder)
    assert torch.equal(teacher.blocks[0].attn.qkv.weight, saved.encoder.blocks[0].attn.qkv.weight)


def test_a_norm_that_a_classifier_has_dropped_is_no_fault(pretrained, tmp_path):
    save_safetensors(pretrained.state_dict(), tmp_path / "pretraining.safetensors")
    classifier = Classifier(encoder=edge_mae_tiny().encoder, num_classes=2, pool="mean")
    report = load_encoder(classifier, tmp_path / "pretraining.safetensors")
    assert torch.equal(classifier.encoder.blocks[0].attn.qkv.weight, pretrained.encoder.blocks[0].attn.qkv.weight)
    assert {"encoder.norm.weight", "encoder.norm.bias"} <= set(report.dead)
    assert report.missing == report.unexpected == []


FILES = [("network", ""), ("encoder", ""), ("EdgeMAE.pth", ""), ("EdgeMAE.pth", "module."), ("E.pth", "module.")]


@pytest.mark.parametrize(("kind", "wrapped"), FILES)
def test_every_kind_of_file_fills_an_encoder(pretrained, kind, wrapped, tmp_path):
    encoder = mt_unet_tiny().encoder
    path, state = tmp_path / "weights.pth", published(pretrained.state_dict())
    key_map = EDGE_MAE if kind.endswith(".pth") else None
    if kind == "network":
        state = FeatureMap(encoder=pretrained.encoder).state_dict()
    elif kind == "encoder":
        state = pretrained.encoder.state_dict()
    elif kind == "E.pth":
        state = {key: value for key, value in state.items() if EDGE_MAE.rename(key).startswith("encoder.")}
    save_pt({wrapped + key: value for key, value in state.items()}, path)
    load_encoder(encoder, path, key_map=key_map)
    assert same(pretrained.encoder, encoder)


def test_the_published_unused_blocks_are_reported(pretrained, method, tmp_path):
    state = published(pretrained.state_dict()) | {"rec_blocks.0.norm1.weight": torch.zeros(16)}
    save_pt(state, tmp_path / "EdgeMAE.pth")
    report = load_encoder(method, tmp_path / "EdgeMAE.pth", into=BOTH, key_map=EDGE_MAE)
    assert "rec_blocks.0.norm1.weight" in report.dead


def test_an_encoder_of_neighbours_takes_equal_slices_for_one_and_the_extractor_stays_plain(pretrained, tmp_path):
    save_safetensors(pretrained.state_dict(), tmp_path / "pretraining.safetensors")
    method = mt_unet_tiny(neighbours=1)
    report = load_encoder(method, tmp_path / "pretraining.safetensors", into=BOTH, adapt=["channels"])
    assert report.adapted == ["encoder.patch_embed.proj.weight"]
    image = torch.rand(2, 1, 64, 64)
    assert_close(method.encoder(image.repeat(1, 3, 1, 1)), pretrained.encoder(image), atol=1e-5, rtol=1e-4)
    assert same(pretrained.encoder, method.feature_extractor)


def test_weights_that_do_not_fill_every_encoder_change_none(pretrained, tmp_path):
    save_safetensors(pretrained.state_dict(), tmp_path / "pretraining.safetensors")
    method = mt_unet_tiny(neighbours=1)
    before = {key: value.clone() for key, value in method.state_dict().items()}
    with pytest.raises(DataError, match=r"(?s)pretraining.safetensors: .*would fit with adapt=\['channels'\]"):
        load_encoder(method, tmp_path / "pretraining.safetensors", into=BOTH)
    assert all(torch.equal(value, before[key]) for key, value in method.state_dict().items())


def test_an_encoder_of_another_depth_is_refused_with_the_table(pretrained, tmp_path):
    save_safetensors(pretrained.state_dict(), tmp_path / "pretraining.safetensors")
    with pytest.raises(DataError, match=r"(?s)missing.*blocks\.2.*sizes it was pre-trained with"):
        load_encoder(mt_unet_tiny(depth=3), tmp_path / "pretraining.safetensors", into=BOTH)


def test_a_published_file_without_its_key_map_is_refused_with_the_remedy(pretrained, method, tmp_path):
    save_pt(published(pretrained.state_dict()), tmp_path / "EdgeMAE.pth")
    with pytest.raises(DataError, match=r"(?s)unexpected.*name the key_map of its source"):
        load_encoder(method, tmp_path / "EdgeMAE.pth", into=BOTH)


def test_positions_of_another_size_are_interpolated_on_request(pretrained, tmp_path):
    save_safetensors(pretrained.state_dict(), tmp_path / "pretraining.safetensors")
    method = mt_unet_tiny(image_size=96, unet_depths=(2, 2), unet_heads=(2, 4))
    report = load_encoder(method, tmp_path / "pretraining.safetensors", into=BOTH, adapt=["positions"])
    assert report.adapted == ["encoder.pos_embed", "feature_extractor.pos_embed"]


def test_a_wrong_hash_is_refused(pretrained, method, tmp_path):
    save_safetensors(pretrained.state_dict(), tmp_path / "pretraining.safetensors")
    with pytest.raises(DataError, match="sha256"):
        load_encoder(method, tmp_path / "pretraining.safetensors", into=BOTH, sha256="0" * 64)


def test_a_module_without_an_encoder_is_refused(tmp_path):
    with pytest.raises(ValueError, match="Linear has no encoder"):
        load_encoder(nn.Linear(2, 2), tmp_path / "none.safetensors")


def test_a_teacher_that_was_handed_in_keeps_its_weights(pretrained, tmp_path):
    save_safetensors(pretrained.state_dict(), tmp_path / "pretraining.safetensors")
    module = nn.ModuleDict({"encoder": edge_mae_tiny().encoder, "teacher": FrozenTeacher(edge_mae_tiny().encoder)})
    before = {key: value.clone() for key, value in module["teacher"].named_parameters()}
    load_encoder(module, tmp_path / "pretraining.safetensors")
    assert same(pretrained.encoder, module["encoder"])
    assert all(torch.equal(value, before[key]) for key, value in module["teacher"].named_parameters())


def test_an_encoder_of_several_kinds_is_loaded_as_a_whole(tmp_path):
    """It holds encoders of one kind each, which are parts of it and none to choose from."""
    torch.manual_seed(0)
    method = av_mae_tiny()
    save_safetensors(method.state_dict(), tmp_path / "av.safetensors", metadata=header(method))
    found = medmae.load_encoder(tmp_path / "av.safetensors")
    assert isinstance(found, FusedEncoder)
    for name, value in found.state_dict().items():
        assert torch.equal(value, method.encoder.state_dict()[name])
