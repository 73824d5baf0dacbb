"""MMAE gives the numbers of the published code (wisdomikezogwo/MMAE_Pathology), from its weights and its draws."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from medmae.masking import BudgetMasking
from medmae.methods.he_mmae import HEMMAE, STAINS
from medmae.nn.heads import Classifier
from medmae.nn.modalities import embed_modalities, encode_modalities
from medmae.objectives.modalities import Output
from medmae.tokens.modalities import ModalityPatches
from medmae.tokens.optical_density import brightened_table, brightness, density_table, tissue_mask
from medmae.tokens.stain_fit import fit_stains
from medmae.tokens.stain_matrices import sparse_codes
from medmae.tokens.stains import StainSeparator
from medmae.weights.io import import_state
from medmae.weights.maps.he_mmae import HE_MMAE

THEIRS = {"rgb": "rgb", "h": "him", "e": "eim"}
SIZES = {"image_size": 64, "embed_dim": 48, "depth": 2, "num_heads": 3, "num_visible": 8}
DECODER = {"decoder_dim": 32, "decoder_heads": 4}
OUTPUTS = {"rgb": "mse", "h": "l1", "norm_rgb": "mse"}
MASKING = {"num_modalities": 3, "tokens_each": 16, "num_visible": 8}


@pytest.fixture(scope="module")
def reference(golden):
    return golden("he_mmae")


@pytest.fixture(scope="module")
def method(reference):
    method = HEMMAE(**SIZES, **DECODER, outputs=OUTPUTS)
    import_state(method, reference.part("state.mae."), key_map=HE_MMAE)
    return method


@pytest.fixture(scope="module")
def batch(reference):
    return {ours: reference[f"in.{theirs}"] for ours, theirs in THEIRS.items()}


@pytest.fixture(scope="module")
def mask(reference):
    return BudgetMasking(**MASKING).replay(
        shares=reference["mask.dirichlet"],
        order=torch.cat([reference[f"mask.noise_{theirs}"] for theirs in THEIRS.values()], dim=1),
        ties=reference["mask.tie_noise"],
    )


@pytest.fixture(scope="module")
def dealt(reference):
    return BudgetMasking(**MASKING, strategy="reference_one").replay(
        shares=reference["mask.dirichlet"],
        order=reference["mask.one_noise"],
        ties=reference["mask.one_scatter_noise"],
    )


def test_the_reference_s_state_fits(reference):
    method = HEMMAE(**SIZES, **DECODER, outputs=OUTPUTS)
    report = import_state(method, reference.part("state.mae."), key_map=HE_MMAE)
    assert report.missing == report.unexpected == report.reshaped == report.dead == []
    assert len(report.matched) == len(reference.part("state.mae."))


def test_a_fresh_method_has_the_reference_s_frozen_tables(reference):
    fresh = HEMMAE(**SIZES, **DECODER, outputs=OUTPUTS).state_dict()
    adapters = [f"input_adapters.{name}.pos_emb" for name in THEIRS.values()]
    decoders = [f"output_adapters.{name}.pos_emb" for name in ("rgb", "him", "norm_rgb")]
    theirs, _ = HE_MMAE.apply(reference.part("state.mae.", only=(*adapters, *decoders)))
    tables = [key for key in fresh if key.endswith("pos_embed")]
    assert len(tables) == 6
    for key in tables:
        assert_close(fresh[key], theirs[key], atol=1e-6, rtol=0)


@pytest.mark.parametrize(("drawn", "prefix"), [("mask", "mask."), ("dealt", "mask.one_")])
def test_masks_are_the_reference_s_bit_by_bit(reference, request, drawn, prefix):
    mask = request.getfixturevalue(drawn)
    assert torch.equal(mask.visible, reference[f"{prefix}ids_keep"])
    order = torch.cat([mask.visible, mask.masked], dim=1)
    assert torch.equal(order.argsort(dim=1), reference[f"{prefix}ids_restore"])
    table = mask.as_bool().unflatten(1, (3, 16))
    for number, theirs in enumerate(THEIRS.values()):
        assert torch.equal(table[:, number], reference[f"{prefix}task_mask_{theirs}"].bool())


def test_tokens_are_the_reference_s(reference, method, batch):
    everything = torch.arange(48).expand(3, 48)
    rows = method.modalities.patchify(batch)
    tokens = embed_modalities(method.encoder, method.adapters, rows, everything).unflatten(1, (3, 16))
    for number, theirs in enumerate(THEIRS.values()):
        reference.compare(tokens[:, number], reference[f"out.tokens_{theirs}"])


def test_encoder_tokens_are_the_reference_s(reference, method, batch, mask):
    tokens = encode_modalities(method.encoder, method.adapters, method.modalities.patchify(batch), mask.visible)
    assert tokens.shape == (3, 9, 48)
    reference.compare(tokens, reference["out.encoder_tokens"])


@pytest.mark.parametrize(("name", "theirs"), [("rgb", "rgb"), ("h", "him"), ("norm_rgb", "norm_rgb")])
def test_predictions_are_the_reference_s(reference, method, batch, mask, name, theirs):
    patches = method.outputs[name].patches
    expected = patches.patchify(reference[f"out.pred_{theirs}"])
    reference.compare(method.predict(batch, mask)[name], expected)
    reference.compare(method(batch, masks={"modalities": mask}).prediction[name], expected)


@pytest.mark.parametrize(
    ("name", "theirs", "value"),
    [("rgb", "rgb_mse", 1.302290), ("norm_rgb", "norm_rgb_mse", 1.375657), ("h", "him_l1", 1.013219)],
)
def test_losses_are_the_reference_s(reference, method, batch, mask, name, theirs, value):
    loss = method(batch, masks={"modalities": mask}).terms[name]
    reference.compare(loss, reference[f"out.loss_{theirs}"])
    assert loss.item() == pytest.approx(value, abs=1e-5)


@pytest.fixture(scope="module")
def rgb_loss(reference):
    """The loss of the reference's prediction under a mask."""
    tokens = ModalityPatches(size=64, patch=16, channels=STAINS)
    rows = tokens.patchify({"rgb": reference["in.rgb"]})
    prediction = tokens.patches["rgb"].patchify(reference["out.pred_rgb"])
    output = Output.of("rgb", error="mse", among=tokens)
    return lambda masked: output.loss(prediction, rows, masked)


def test_a_sample_whose_rgb_is_all_visible_is_dropped_as_the_reference_does(reference, rgb_loss):
    loss = rgb_loss(reference["mask.rgb_mask_sample0_all_visible"].bool())
    reference.compare(loss, reference["out.loss_rgb_sample0_all_visible"])
    assert loss.item() == pytest.approx(1.306744, abs=1e-5)


def test_the_loss_over_all_tokens_is_the_reference_s(reference, rgb_loss):
    reference.compare(rgb_loss(torch.ones(3, 16, dtype=torch.bool)), reference["out.loss_rgb_unmasked"])


@pytest.mark.parametrize(("pool", "theirs"), [("class_token", "out.vit_logits"), ("all", "out.vit_logits_meanpool")])
def test_the_fine_tuned_classifier_is_the_reference_s(reference, pool, theirs):
    model = Classifier(encoder=HEMMAE(**SIZES, **DECODER).encoder, num_classes=8, pool=pool).eval()
    encoder = reference.part("state.mae.", only=("global_tokens", "encoder.", "input_adapters.rgb."))
    report = import_state(model, {**encoder, **reference.part("state.vit.")}, key_map=HE_MMAE)
    assert report.fits
    reference.compare(model(reference["in.rgb"]), reference[theirs])


def test_a_pre_training_file_leaves_the_four_keys_of_the_head_missing(reference):
    model = Classifier(encoder=HEMMAE(**SIZES, **DECODER).encoder, num_classes=8, pool="class_token")
    report = import_state(model, reference.part("state.mae."), key_map=HE_MMAE, strict=False)
    assert report.missing == ["fc_norm.bias", "fc_norm.weight", "head.bias", "head.weight"]
    assert {tuple(key.split(".")[:2]) for key in report.unexpected} == {
        *(("adapters", name) for name in "he"),
        *(("decoders", name) for name in OUTPUTS),
    }


def test_a_fine_tuned_file_s_head_is_reported_by_the_method(reference):
    method = HEMMAE(**SIZES, **DECODER, outputs=OUTPUTS)
    state = {**reference.part("state.mae."), **reference.part("state.vit.")}
    with pytest.raises(ValueError, match=r"unexpected +4 +fc_norm.bias, fc_norm.weight, head.bias, head.weight"):
        import_state(method, state, key_map=HE_MMAE)


@pytest.fixture(scope="module")
def tile(reference):
    return reference["in.stain_rgb_uint8"].numpy()


def test_the_brightened_tile_and_its_tissue_are_the_reference_s(reference, tile):
    white = brightness(tile)
    assert np.array_equal(brightened_table(white)[tile], reference["out.stain_bright_uint8"].numpy())
    assert np.array_equal(tissue_mask(tile, white=white), reference["out.stain_tissue_mask"].numpy())


def test_optical_density_and_stain_codes_are_the_reference_s(reference, tile):
    density = density_table(brightness(tile))[tile.reshape(-1, 3)]
    assert np.allclose(density, reference["out.stain_OD"].numpy(), atol=1e-9)
    codes = sparse_codes(density.T, reference["in.stain_W"].numpy())
    assert np.allclose(codes, reference["out.stain_H"].numpy(), atol=1e-8)


def test_stain_pictures_are_the_reference_s_level_by_level(reference, tile):
    stains = StainSeparator(matrix=reference["in.stain_W"].numpy())(tile)
    assert np.array_equal(stains.hematoxylin, reference["out.stain_img_h_uint8"].numpy())
    assert np.array_equal(stains.eosin, reference["out.stain_img_e_uint8"].numpy())


def test_the_learned_dictionary_is_that_of_spams_to_a_hundredth_of_a_degree(reference, tile):
    fit = fit_stains(tile, min_tissue=500)
    assert fit.flag is None
    cosines = (fit.matrix * reference["out.stain_W_learned_spams"].numpy()).sum(axis=0)
    assert np.degrees(np.arccos(np.clip(cosines, -1, 1))).max() < 0.01
