"""Edge-MAE gives the numbers of the published code (lyhkevin/MT-Net), from its weights and its noise."""

from __future__ import annotations

import pytest
import torch
from torch.testing import assert_close

from medmae.masking import RandomMasking
from medmae.methods.edge_mae import EdgeMAE
from medmae.nn.heads import FeatureMap
from medmae.objectives.edge import neighbour_density, patchwise_weight
from medmae.weights.io import import_state
from medmae.weights.maps.edge_mae import EDGE_MAE

SIZES = {"image_size": 128, "embed_dim": 16, "depth": 2, "num_heads": 2}
DECODER = {"decoder_dim": 8, "decoder_depth": 2, "decoder_heads": 2}


@pytest.fixture(scope="module")
def reference(golden):
    return golden("edge_mae")


@pytest.fixture(scope="module")
def make(reference):
    def build(**options):
        method = EdgeMAE(**SIZES, **DECODER, **options)
        import_state(method, reference.part("state.mae."), key_map=EDGE_MAE)
        return method

    return build


@pytest.fixture(scope="module")
def batch(reference):
    return {"image": reference["in.image"]}


@pytest.fixture(scope="module")
def mask(reference):
    return RandomMasking(num_tokens=256, ratio=0.7).sample(2, noise=reference["mask.noise"])


def test_the_reference_s_state_fits_and_only_its_unused_blocks_are_dead(reference):
    report = import_state(EdgeMAE(**SIZES, **DECODER), reference.part("state.mae."), key_map=EDGE_MAE)
    assert report.missing == report.unexpected == report.reshaped == []
    assert {key.split(".")[0] for key in report.dead} == {"rec_blocks", "edge_blocks"}
    assert len(report.dead) + len(report.matched) == len(reference.part("state.mae."))


def test_a_fresh_method_has_the_reference_s_frozen_tables_and_kernels(reference):
    method = EdgeMAE(**SIZES, **DECODER)
    assert_close(method.encoder.pos_embed.data, reference["state.mae.pos_embed"], atol=1e-6, rtol=0)
    assert_close(method.decoder.pos_embed.data, reference["state.mae.decoder_pos_embed"], atol=1e-6, rtol=0)
    assert torch.equal(method.sobel.weight.data, reference["state.mae.operator.filter.weight"])


def test_the_mask_is_the_reference_s(reference, mask):
    assert (mask.num_visible, mask.num_masked) == (76, 180)
    assert torch.equal(mask.as_bool(), reference["mask.mask"].bool())
    order = torch.cat([mask.visible, mask.masked], dim=1)
    assert torch.equal(order.argsort(dim=1), reference["mask.ids_restore"])


def test_the_latent_is_the_reference_s(reference, make, batch, mask):
    reference.compare(make().encoder(batch["image"], mask.visible), reference["out.latent"])


@pytest.mark.parametrize(("head", "theirs"), [("image", "out.rec_pred"), ("edge", "out.edge_pred")])
def test_predictions_are_the_reference_s(reference, make, batch, mask, head, theirs):
    method = make()
    reference.compare(method.predict(batch, mask)[head], reference[theirs])
    reference.compare(method(batch, masks={"image": mask}).prediction[head], mask.hidden(reference[theirs]))


def test_the_edge_target_is_the_reference_s(reference, make, batch):
    reference.compare(make().sobel(batch["image"]), reference["out.edge_target"])


@pytest.mark.parametrize(("mode", "epoch"), [("hard", 1), ("easy", 0)])
def test_patch_weights_are_the_reference_s(reference, make, mask, mode, epoch):
    patches = make().patches
    theirs = patches.patchify(reference[f"out.weight_map_epoch{epoch}"]).mean(dim=2)  # constant over a patch
    assert_close(patchwise_weight(mask, grid=patches.grid, mode=mode), mask.hidden(theirs.unsqueeze(2))[..., 0])


@pytest.mark.parametrize("epoch", [0, 1])
def test_painted_weight_maps_are_the_reference_s(reference, make, mask, epoch):
    patches = make().patches
    density = patches.paint(neighbour_density(mask, grid=patches.grid))
    reference.compare([2 - density, 1 + density][epoch], reference[f"out.weight_map_epoch{epoch}"])


def test_losses_are_the_reference_s(reference, make, batch, mask):
    out = make()(batch, masks={"image": mask})
    reference.compare(out.terms["image"], 10 * reference["out.rec_loss_epoch1"])
    reference.compare(out.terms["edge"], reference["out.edge_loss_epoch1"])
    reference.compare(out.loss, reference["out.total_loss_epoch1"])
    assert out.loss.item() == pytest.approx(2.295543, abs=1e-5)


def test_losses_of_the_easy_half_are_the_reference_s_of_epoch_0(reference, make, batch, mask):
    out = make(schedule="curriculum")(batch, masks={"image": mask}, progress=0.0)
    reference.compare(out.terms["image"], 10 * reference["out.rec_loss_epoch0"])
    reference.compare(out.terms["edge"], reference["out.edge_loss_epoch0"])


def test_without_patch_weights_only_the_image_loss_is_plain(reference, make, batch, mask):
    out = make(patchwise=False, image_weight=1.0)(batch, masks={"image": mask})
    reference.compare(out.terms["image"], reference["out.rec_loss_noweight"])
    assert out.terms["image"].item() == pytest.approx(0.127484, abs=1e-5)
    reference.compare(out.terms["edge"], reference["out.edge_loss_noweight"])
    reference.compare(out.terms["edge"], reference["out.edge_loss_epoch1"])


@pytest.mark.parametrize(("image", "theirs"), [("in.image", "enc_feature"), ("out.pred", "fc_pred_feature")])
def test_encoder_features_are_the_reference_s(reference, make, image, theirs):
    method = make()
    features = method.encoder.forward_intermediates(method.patches.patchify(reference[image]), use_class_token=False)
    assert len(features) == 4
    for index, feature in enumerate(features):
        reference.compare(feature, reference[f"out.{theirs}_{index}"])


def test_the_feature_map_is_the_last_of_the_reference_s_features(reference, make, batch):
    features = FeatureMap(encoder=make().encoder, use_class_token=False)(batch["image"])
    assert features.shape == (2, 16, 16, 16)
    reference.compare(features.flatten(2).transpose(1, 2), reference["out.enc_feature_3"])
