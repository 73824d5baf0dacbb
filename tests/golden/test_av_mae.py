"""AV-MAE gives the numbers of the published code (google-research/scenic, av_mae), from its weights and its masks."""

from __future__ import annotations

import pytest
import torch

from medmae.masking import Mask
from medmae.methods.av_mae import AVMAE
from medmae.nn.bottleneck import BottleneckClassifier, BottleneckEncoder
from medmae.nn.streams import ClipStream, SpectrogramStream
from medmae.objectives.pixel import TargetNorm
from medmae.objectives.target import PatchTarget
from medmae.weights.io import import_state
from medmae.weights.maps.av_mae import AV_MAE, AV_MAE_MBT

CLIP = ClipStream(num_frames=4, image_size=32, patch_size=8, scale=None)  # theirs is scaled
SIZES = {
    "streams": (CLIP, SpectrogramStream(frames=48, bands=32, patch_size=8)),
    "mask_ratio": {"image": 0.75, "audio": 0.5},
    "embed_dim": 32,
    "depth": 3,
    "num_heads": 4,
    "mlp_ratio": 2.0,
    "decoder_dim": 16,
    "decoder_depth": 2,
    "decoder_heads": 2,
}
VARIANTS = {
    "sep_same": {"fusion": "separate"},
    "early_same": {"fusion": "early"},
    "early_concat": {"fusion": "early", "decoder": "joint"},
    "shared_same": {"fusion": "shared"},
    "mid_same": {"fusion": "mid", "fusion_layers": 1},
    "mid_sepdec_modtok": {"fusion": "mid", "fusion_layers": 1, "decoder": "separate", "kind_tokens": True},
    "sep_same_inpaint": {"fusion": "separate", "objective": "inpainting_in_place"},
}
THEIRS = {"image": "rgb", "audio": "spectrogram"}


@pytest.fixture(scope="module")
def reference(golden):
    return golden("av_mae")


@pytest.fixture(params=VARIANTS)
def variant(request):
    return request.param


@pytest.fixture
def method(reference, variant):
    method = AVMAE(**SIZES, **VARIANTS[variant])
    report = import_state(method, reference.part(f"state.{variant}."), key_map=AV_MAE)
    assert report.fits
    assert not report.dead
    return method


@pytest.fixture
def batch(reference):
    channels_last = {name: reference[f"in.{theirs}"] for name, theirs in THEIRS.items()}
    return {name: data.movedim(-1, 1) for name, data in channels_last.items()}


@pytest.fixture
def masks(reference):
    parts = {
        name: [reference[f"mask.{part}_ids_{own}"] for part in ("visible", "masked")] for name, own in THEIRS.items()
    }
    return {name: Mask(*ids, ids[0].shape[1] + ids[1].shape[1]) for name, ids in parts.items()}


def test_as_many_tokens_are_hidden_as_ours_would(masks):
    ours = AVMAE(**SIZES).draw_masks({name: torch.zeros(2, 1) for name in THEIRS})
    assert {name: mask.visible.shape for name, mask in ours.items()} == {n: m.visible.shape for n, m in masks.items()}


def test_predictions_and_losses_are_the_reference_s(reference, method, variant, batch, masks):
    out = method(batch, masks=masks)
    for name, theirs in THEIRS.items():
        whole = reference[f"out.{variant}.pred_{theirs}"]
        asked = masks[name].hidden(whole)
        if method.objective == "inpainting_in_place":
            counted = reference[f"out.{variant}.lossmask_{theirs}"]
            asked = whole[:, -out.prediction[name].shape[1] :]
            assert torch.equal(counted[:, -asked.shape[1] :], torch.ones(asked.shape[:2]))
            assert not counted[:, : -asked.shape[1]].any()
        reference.compare(out.prediction[name], asked)
    loss = torch.stack([out.loss, 2 * out.terms["image"], 2 * out.terms["audio"]])
    reference.compare(loss, reference[f"out.{variant}.loss"])


def test_visible_tokens_are_decoded_to_the_reference_s_predictions_too(reference, method, variant, batch, masks):
    method.loss_visible = True
    out = method(batch, masks=masks)
    for name, theirs in THEIRS.items():
        whole, found = reference[f"out.{variant}.pred_{theirs}"], out.prediction[name]
        if method.objective != "inpainting_in_place":
            found = masks[name].restore(*found.split([masks[name].num_visible, masks[name].num_masked], dim=1))
        reference.compare(found, whole)
        target = reference[f"out.target_{theirs}"]
        reference.compare(2 * out.terms[name], (whole - target).square().mean())


def test_encoders_of_whole_data_give_the_reference_s_tokens(reference, method, variant, batch):
    found = method.encoder(batch)
    for name, theirs in THEIRS.items():
        reference.compare(found[name], reference[f"out.{variant}.enc_full_{theirs}"])


def test_positions_are_the_reference_s(reference):
    reference.compare(AVMAE(**SIZES).encoder.vits["image"].pos_embed, reference["out.posemb_enc_rgb"])


@pytest.mark.parametrize(
    ("target", "name"),
    [
        (PatchTarget(), "target_rgb"),
        (PatchTarget(centre=True), "target_rgb_central"),
        (PatchTarget(norm=TargetNorm(unbiased=False)), "target_rgb_std"),
    ],
)
def test_targets_are_the_reference_s(reference, batch, target, name):
    vit = AVMAE(**SIZES).encoder.vits["image"]
    reference.compare(target(vit.patchify(batch["image"]), vit.patches), reference[f"out.{name}"])


def test_targets_of_sound_are_the_reference_s(reference, batch):
    vit = AVMAE(**SIZES).encoder.vits["audio"]
    reference.compare(PatchTarget()(vit.patchify(batch["audio"]), vit.patches), reference["out.target_spectrogram"])


def test_counts_of_parameters_are_the_reference_s(reference, method, variant):
    theirs = reference.part(f"state.{variant}.")
    assert sum(p.numel() for p in method.parameters()) == sum(value.numel() for value in theirs.values())


def test_a_fine_tuned_network_gives_the_reference_s_logits_of_each_kind_and_of_both(reference, batch):
    sizes = {name: SIZES[name] for name in ("streams", "embed_dim", "depth", "num_heads", "mlp_ratio")}
    encoder = BottleneckEncoder(**sizes, fusion_layer=1, num_bottlenecks=2)
    network = BottleneckClassifier(encoder=encoder, num_classes=5).eval()
    theirs = reference.part("state.mbt.")
    assert import_state(network, theirs, key_map=AV_MAE_MBT).fits
    assert sum(p.numel() for p in network.parameters()) == sum(value.numel() for value in theirs.values())
    apart, _ = network.apart(batch)
    for name, own in THEIRS.items():
        reference.compare(apart[name], reference[f"out.mbt.logits_train_{own}"])
    reference.compare(network(batch), reference["out.mbt.logits_eval"])
    torch.testing.assert_close(network(batch), (apart["image"] + apart["audio"]) / 2)
