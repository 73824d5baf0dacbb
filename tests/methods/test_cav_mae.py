"""CAV-MAE, a preset of MAViL: a shared block with norms by kind, contrast behind it, one decoder of both."""

from __future__ import annotations

import pytest
import torch
from torch.testing import assert_close

from medmae.methods.mavil import cav_mae_base, cav_mae_tiny
from medmae.nn.fused_encoder import FusedEncoder
from medmae.nn.fused_head import FusedClassifier
from medmae.weights.io import load_weights, save_safetensors


@pytest.fixture
def method():
    torch.manual_seed(0)
    method = cav_mae_tiny().eval()
    for name, parameter in method.named_parameters():
        if "norm" in name or "kind_tokens" in name:
            torch.nn.init.normal_(parameter)  # so that kinds differ
    return method


@pytest.fixture
def batch(method):
    return method.example_batch(4, generator=torch.Generator().manual_seed(1))


def test_sizes_are_the_published_ones_less_the_norms_that_no_pass_reads():
    with torch.device("meta"):
        method = cav_mae_base()
    trained = sum(p.numel() for p in method.parameters() if p.requires_grad)
    tables = sum(p.numel() for p in method.parameters() if not p.requires_grad)
    unread = 22 * 8 * 768 + 8 * 8 * 512  # of two more kinds, two norms each, in blocks of one kind and of the decoder
    assert (trained, tables) == (190_129_920 - unread, 191_036_160 - 190_129_920)
    assert {name: (how.num_tokens, how.num_visible) for name, how in method.maskings.items()} == {
        "audio": (512, 128),
        "image": (196, 49),
    }


def test_contrast_is_of_what_the_shared_block_gives_of_each_kind_by_itself(method, batch):
    masks = method.draw_masks(batch, generator=torch.Generator().manual_seed(2))
    before = method(batch, masks=masks).terms
    assert set(before) == {"audio", "image", "inter"}
    method.encoder.trunk.blocks[0].norms1["audio"].weight.data.mul_(-2)
    after = method(batch, masks=masks).terms
    assert not torch.isclose(after["inter"], before["inter"], rtol=1e-4)
    assert_close(after["audio"], before["audio"], atol=0, rtol=0)  # rebuilt by the norms of both together
    method.encoder.trunk.norm.weight.data.mul_(-2)
    last = method(batch, masks=masks).terms
    assert_close(last["inter"], after["inter"], atol=0, rtol=0)
    assert not torch.isclose(last["audio"], after["audio"], rtol=1e-4)


def test_sounds_are_looked_for_by_pictures_and_not_the_other_way_round(method, batch):
    masks = method.draw_masks(batch, generator=torch.Generator().manual_seed(2))
    points = {
        name: torch.nn.functional.normalize(rows.squeeze(1), dim=1)
        for name, rows in method._points(method.encoder.apart(method.encoder.given(batch), masks)).items()
    }
    logits = points["image"] @ points["audio"].T / 0.05  # (pictures, sounds)
    wanted = torch.nn.functional.cross_entropy(logits, torch.arange(4))
    assert_close(method(batch, masks=masks).terms["inter"], 0.01 * wanted)
    assert not torch.isclose(wanted, torch.nn.functional.cross_entropy(logits.T, torch.arange(4)), rtol=1e-3)


def test_hidden_sound_is_rebuilt_from_pictures_too(method, batch):
    masks = method.draw_masks(batch, generator=torch.Generator().manual_seed(2))
    other = {**batch, "image": batch["image"].flip(0)}
    first, second = (method(each, masks=masks).prediction["audio"] for each in (batch, other))
    assert not torch.allclose(first, second, atol=1e-4)


def test_a_sample_of_one_kind_gets_the_same_features_whatever_else_is_in_its_batch(method, batch):
    there = torch.ones(4, 2, dtype=torch.bool)
    there[1, 1] = False  # sound alone
    mixed = method.encoder.features({**batch, "available": there})
    alone = method.encoder.features({"audio": batch["audio"][1:2]})
    both = method.encoder.features({name: data[:1] for name, data in batch.items()})
    assert_close(mixed[1:2], alone)
    assert_close(mixed[:1], both)


def test_a_class_of_sound_alone_passes_the_shared_block_and_touches_nothing_of_pictures(method, batch):
    network = FusedClassifier(encoder=method.encoder, num_classes=3, only="audio")
    network({"audio": batch["audio"]}).sum().backward()
    touched = {name for name, p in method.encoder.named_parameters() if p.grad is not None}
    assert "trunk.blocks.0.norms1.audio.weight" in touched
    assert not [name for name in touched if "image" in name or name.startswith("trunk.norm.")]


def test_one_projection_and_one_mask_token_serve_both_and_survive_a_file(method, batch, tmp_path):
    first, second = method.decoder.entrances.values()
    assert first.embed is second.embed
    assert first.mask_token is second.mask_token
    save_safetensors(method.state_dict(), tmp_path / "cav.safetensors")
    torch.manual_seed(5)
    again = cav_mae_tiny().eval()
    load_weights(again, tmp_path / "cav.safetensors")
    masks = method.draw_masks(batch, generator=torch.Generator().manual_seed(2))
    assert_close(again(batch, masks=masks).loss, method(batch, masks=masks).loss, atol=0, rtol=0)
    assert again.decoder.entrances["audio"].embed is again.decoder.entrances["image"].embed


def test_norms_of_kinds_need_fused_blocks():
    streams = cav_mae_tiny().encoder.given_as.values()
    for wrong in ({"fusion": "early"}, {"fusion": "mid", "fusion_layers": 0}):
        with pytest.raises(ValueError, match="kind_norms are of fused blocks"):
            FusedEncoder(streams=list(streams), embed_dim=48, depth=2, num_heads=4, kind_norms=True, **wrong)


def test_an_unknown_decoder_is_refused():
    with pytest.raises(ValueError, match="decoder must be 'separate' or 'joint'"):
        cav_mae_tiny(decoder="both")
