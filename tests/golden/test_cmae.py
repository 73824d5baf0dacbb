"""CMAE gives the numbers of the published code (ZhichengHuang/CMAE), from its weights and its noise."""

from __future__ import annotations

import pytest
import torch
from torch.testing import assert_close

from medmae.methods.cmae import cmae_tiny
from medmae.nn.heads import Classifier
from medmae.nn.vit import MaskedViT
from medmae.objectives.contrastive import info_nce
from medmae.weights.io import import_state
from medmae.weights.maps.cmae import CMAE

GRADIENTS = {
    "backbone.cls_token": "encoder.cls_token",
    "backbone.patch_embed.projection.weight": "encoder.patch_embed.proj.weight",
    "pixel_decoder.mask_token": "decoder.mask_token",
    "feature_decoder.decoder_pred.weight": "features.head.pred.weight",
    "projector.bn0.weight": "projector.norm.weight",
    "head.predictor.fc0.weight": "predictor.hidden.weight",
}
NORMS = {
    "projector.bn0": "projector.norm",
    "target_projector.bn0": "target_projector.network.norm",
    "head.predictor.bn0": "predictor.norm",
}


@pytest.fixture(scope="module")
def reference(golden):
    return golden("cmae")


@pytest.fixture
def method(reference):
    method = cmae_tiny()
    import_state(method, reference.part("state."), key_map=CMAE)
    return method


@pytest.fixture
def batch(reference):
    return {"image": reference["in.img"], "target_view": reference["in.img_t"]}


@pytest.fixture
def encoder(reference):
    method = cmae_tiny()
    import_state(method, reference.part("state.", only=("backbone.",)), key_map=CMAE, strict=False)
    return method.encoder


@pytest.fixture
def mask(reference):
    return cmae_tiny().masking.sample(4, noise=reference["mask.noise"])


def test_every_entry_of_the_reference_s_state_finds_its_place(reference):
    state = reference.part("state.")
    report = import_state(cmae_tiny(), state, key_map=CMAE)
    assert report.missing == report.unexpected == report.reshaped == report.dead == []
    assert len(report.matched) == len(state) == reference.info["n_state_tensors"]


def test_a_fresh_method_has_the_reference_s_frozen_tables(reference):
    method = cmae_tiny()
    assert_close(method.encoder.pos_embed.data, reference["state.backbone.pos_embed"], atol=1e-6, rtol=0)
    for name in ("pixel_decoder", "feature_decoder"):
        ours = method.decoder if name == "pixel_decoder" else method.features.decoder
        assert_close(ours.pos_embed.data, reference[f"state.{name}.decoder_pos_embed"], atol=1e-6, rtol=0)


def test_the_mask_is_the_reference_s(reference, mask):
    assert (mask.num_visible, mask.num_masked) == (20, 44)
    assert torch.equal(mask.as_bool(), reference["out.mask"].bool())


def test_the_latent_is_the_reference_s(reference, encoder, batch, mask):
    latent = encoder(batch["image"], mask.visible)
    reference.compare(latent[:, 0], reference["out.latent_cls"])
    zeros = torch.zeros(1, 1, 48)
    reference.compare(mask.restore(latent[:, 1:], zeros), reference["out.latent_raster"])


def test_the_target_branch_s_latent_is_the_reference_s(reference, method, batch):
    reference.compare(method.target_encoder(batch["target_view"]), reference["out.target_latent"])


def test_the_predicted_pixels_are_the_reference_s(reference, method, batch, mask):
    reference.compare(method.predict(batch, mask), reference["out.pixel_pred"])
    reference.compare(
        method(batch, masks={"image": mask}).prediction["image"], mask.hidden(reference["out.pixel_pred"])
    )


def test_the_features_of_both_decoders_are_the_reference_s(reference, method, batch, mask):
    latent = method.encoder(batch["image"], mask.visible)
    features = method.features.head(method.features.decoder(latent, mask, masked_only=False))
    reference.compare(features, reference["out.feature_pred"])
    reference.compare(method.pooled(latent, mask), reference["out.feature_pred"].mean(dim=1))


def test_what_is_contrasted_is_the_reference_s(reference, method, batch, mask):
    projection = method.projector(method.pooled(method.encoder(batch["image"], mask.visible), mask))
    reference.compare(projection, reference["out.proj_online"])
    reference.compare(method.predictor(projection), reference["out.pred_online"])
    reference.compare(method.target_projection(batch["target_view"]), reference["out.proj_target"])


def test_the_predictor_and_the_contrast_of_given_projections_are_the_reference_s(reference):
    predictor = cmae_tiny().predictor
    ours, _ = CMAE.apply(reference.part("state.", only=("head.predictor.",)))
    import_state(predictor, {key.removeprefix("predictor."): value for key, value in ours.items()})
    predicted = predictor(reference["out.proj_online"])
    reference.compare(predicted, reference["out.pred_online"])
    loss = 2 * 0.07 * info_nce(predicted, reference["out.proj_target"], temperature=0.07)
    reference.compare(loss, reference["out.loss_contrastive"])


def test_the_losses_are_the_reference_s(reference, method, batch, mask):
    out = method(batch, masks={"image": mask})
    reference.compare(out.terms["contrast"], reference["out.loss_contrastive"])
    reference.compare(out.terms["image"], reference["out.loss_pixel"])
    reference.compare(out.loss, reference["out.loss_total"])
    assert out.terms["contrast"].item() == reference.approx(reference.info["losses"]["loss_ct"])
    assert out.terms["image"].item() == reference.approx(reference.info["losses"]["loss_rc"])


@pytest.mark.parametrize("theirs", GRADIENTS)
def test_gradients_are_the_reference_s(reference, method, batch, mask, theirs):
    method(batch, masks={"image": mask}).loss.backward()
    gradient = dict(method.named_parameters())[GRADIENTS[theirs]].grad
    reference.compare(gradient, reference[f"out.grad.{theirs}"])


@pytest.mark.parametrize("theirs", NORMS)
def test_running_statistics_after_one_pass_are_the_reference_s(reference, method, batch, mask, theirs):
    method(batch, masks={"image": mask})
    norm = method.get_submodule(NORMS[theirs])
    for name, buffer in norm.named_buffers():
        reference.compare(buffer, reference[f"out.buffers_after.{theirs}.{name}"])


def test_the_target_after_one_step_is_the_reference_s(reference, method, batch, mask):
    method(batch, masks={"image": mask})
    statistics = method.target_projector.network.norm.running_mean.clone()
    method.update_teacher(progress=0.0)
    token = method.target_encoder.network.cls_token
    weight = method.target_projector.network.output.weight
    exact = {"atol": 1e-7, "rtol": 1e-6}  # 0.4 % of a small difference is what has moved
    assert_close(token.data, reference["out.ema_after.target_backbone.cls_token"], **exact)
    assert_close(weight.data, reference["out.ema_after.target_projector.fc1.weight"], **exact)
    assert torch.equal(method.target_projector.network.norm.running_mean, statistics)


def test_the_classifier_s_features_are_the_reference_s(reference, batch):
    sizes = {"image_size": 32, "patch_size": 4, "embed_dim": 48, "depth": 3, "num_heads": 4}
    model = Classifier(encoder=MaskedViT(**sizes, trainable_positions=True), num_classes=5, pool="mean").eval()
    state = reference.part("state.", only=("backbone.",))
    report = import_state(model, state, key_map=CMAE, strict=False)
    assert report.unexpected == ["encoder.norm.bias", "encoder.norm.weight"]
    assert report.missing == ["fc_norm.bias", "fc_norm.weight", "head.bias", "head.weight"]
    reference.compare(model.features(batch["image"]), reference["cls.gap.features"])
