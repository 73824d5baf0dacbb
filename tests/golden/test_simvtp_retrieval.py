"""SimVTP's fine-tuning gives the features and the loss of the authors' code release, from a pre-training."""

from __future__ import annotations

import pytest
import torch

from medmae.kinds import SCALES
from medmae.methods.simvtp import SimVTP, simvtp_base
from medmae.methods.simvtp_retrieval import DualEncoder
from medmae.weights.io import import_state, save_safetensors
from medmae.weights.maps.simvtp import SIMVTP
from medmae.weights.parts import load_parts
from medmae.weights.unseen import header
from tests.golden.test_simvtp import SIZES, THEIRS


@pytest.fixture(scope="module")
def reference(golden):
    return golden("simvtp")


@pytest.fixture
def method(reference, tmp_path):
    """Of their pre-training's weights, through a file of ours."""
    pretrained = SimVTP(**SIZES, **THEIRS)
    assert import_state(pretrained, reference.part("state."), key_map=SIMVTP).fits
    path = tmp_path / "pretraining.safetensors"
    save_safetensors(pretrained.state_dict(), path, metadata=header(pretrained))
    found = DualEncoder(encoder=SimVTP(**SIZES, **THEIRS).encoder, equal_words=True, pool_padding=True)
    load_parts(found, path, parts=found.begins)
    both = [(name, key) for name in ("video", "text") for key in ("weight", "bias")]
    norms = {f"{name}_norm.{key}": reference[f"state_ft.{name}.fc_norm.{key}"] for name, key in both}
    assert not found.load_state_dict(norms, strict=False).unexpected_keys
    return found.eval()


@pytest.fixture
def batch(reference):
    return {"image": SCALES["imagenet"].invert(reference["in.video"]), "words": reference["in.input_ids_original"]}


def test_whole_clips_and_captions_are_the_reference_s_points_and_so_is_their_contrast(reference, method, batch):
    with torch.no_grad():
        out = method(batch)
    reference.compare(out.prediction["clips"], reference["out.ft_video"])
    reference.compare(out.prediction["sentences"], reference["out.ft_text"])
    reference.compare(out.loss, reference["out.ft_loss"])


def test_the_base_model_has_their_parameters():
    with torch.device("meta"):
        method = DualEncoder(encoder=simvtp_base().encoder)
    assert sum(p.numel() for p in method.parameters() if p is not None) == 220_128_768
