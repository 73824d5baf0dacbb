"""transformers reads what is written, and gives the same losses and predictions."""

from __future__ import annotations

import json

import pytest
import torch
from torch.testing import assert_close

from medmae.methods.mae import mae_tiny
from medmae.objectives.pixel import TargetNorm
from medmae.weights.export.hugging_face import save_vit_mae, vit_mae_config
from medmae.weights.io import load_state, load_weights
from medmae.weights.maps.vit_mae import VIT_MAE

CLOSE = {"atol": 1e-5, "rtol": 1e-4}


def trained(**options):
    torch.manual_seed(1)
    method = mae_tiny(**options)
    for parameter in method.parameters():
        if parameter.requires_grad:
            parameter.data.add_(0.05 * torch.randn_like(parameter))
    return method.eval()


@pytest.mark.parametrize(
    "options", [{}, {"target_norm": None}, {"in_channels": 1, "image_size": 48, "mask_ratio": 0.5}], ids=str
)
def test_transformers_gives_our_loss_and_predictions(options, tmp_path):
    transformers = pytest.importorskip("transformers", reason="the bench extra is not installed")
    method = trained(**options)
    save_vit_mae(method, tmp_path)
    theirs, info = transformers.ViTMAEForPreTraining.from_pretrained(tmp_path, output_loading_info=True)
    assert not info["missing_keys"]
    assert not info["unexpected_keys"]
    batch = method.example_batch(2)
    noise = torch.rand(2, method.patches.num_tokens)
    mask = method.masking.sample(2, noise=noise)
    expected = theirs.eval()(batch["image"], noise=noise)
    assert torch.equal(expected.mask.bool(), mask.as_bool())
    assert_close(method(batch, masks={"image": mask}).loss, expected.loss, **CLOSE)
    assert_close(method.predict(batch, mask), expected.logits, **CLOSE)


def test_what_was_written_is_read_again_bit_for_bit(tmp_path):
    method, twin = trained(), mae_tiny()
    save_vit_mae(method, tmp_path)
    load_weights(twin, tmp_path / "model.safetensors", key_map=VIT_MAE)
    assert all(torch.equal(value, twin.state_dict()[key]) for key, value in method.state_dict().items())
    assert len(load_state(tmp_path / "model.safetensors")) == len(method.state_dict()) + 4 * 5


def test_the_sizes_stand_in_the_configuration(tmp_path):
    save_vit_mae(trained(decoder_dim=64, mask_ratio=0.5), tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    assert config["model_type"] == "vit_mae"
    assert (config["hidden_size"], config["intermediate_size"], config["num_hidden_layers"]) == (48, 192, 3)
    assert (config["decoder_hidden_size"], config["decoder_intermediate_size"]) == (64, 256)
    assert (config["mask_ratio"], config["norm_pix_loss"], config["layer_norm_eps"]) == (0.5, True, 1e-6)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"image_size": (32, 48)}, r"its pictures are \(32, 48\), and theirs are square"),
        ({"image_size": 32, "patch_size": (4, 8)}, r"its patches are \(4, 8\)"),
        ({"image_size": (16, 16, 16)}, ".*data with 3 axes"),
        ({"class_token": "none"}, "its class token is 'none'"),
        ({"decoder": "cross"}, "its decoder is not that of MAE"),
        ({"target_norm": TargetNorm(per_channel=True)}, "its target is normalised in another way"),
    ],
    ids=str,
)
def test_what_theirs_does_not_have_is_refused_with_the_reason(options, reason, tmp_path):
    with pytest.raises(ValueError, match=f"(?s)ViTMAE cannot hold this encoder.*- {reason}"):
        save_vit_mae(mae_tiny(**options), tmp_path)
    assert not list(tmp_path.iterdir())


def test_predictions_through_a_sigmoid_are_refused():
    method = mae_tiny()
    method.head.sigmoid = True
    with pytest.raises(ValueError, match="pass through a sigmoid"):
        vit_mae_config(method)
