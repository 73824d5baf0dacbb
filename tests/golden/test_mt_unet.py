"""MT-UNet gives the numbers of the published code (lyhkevin/MT-Net), from its weights."""

from __future__ import annotations

import pytest
import torch
from torch.testing import assert_close

from medmae.methods.mt_unet import MTUNet
from medmae.nn.heads import SynthesisNetwork
from medmae.objectives.feature import feature_consistency
from medmae.weights.io import import_state
from medmae.weights.maps.edge_mae import EDGE_MAE
from medmae.weights.maps.mt_unet import MT_UNET

ENCODER = {"image_size": 128, "embed_dim": 16, "depth": 2, "num_heads": 2}
UNET = {"unet_heads": (2, 2, 4, 4), "window_size": 4}


@pytest.fixture(scope="module")
def reference(golden):
    return golden("mt_unet")


@pytest.fixture(scope="module")
def method(reference):
    made = MTUNet(**ENCODER, **UNET)
    encoder = {key: value for key, value in reference.part("state.mae.").items() if EDGE_MAE.rename(key)}
    ours = {EDGE_MAE.rename(key).removeprefix("encoder."): value for key, value in encoder.items()}
    for part in (made.encoder, made.feature_extractor):
        import_state(part, {key: ours[key] for key in part.state_dict()})
    import_state(made.unet, reference.part("state.gen."), key_map=MT_UNET)
    return made


@pytest.fixture(scope="module")
def batch(reference):
    return {"image": reference["in.image"], "target": reference["in.target"]}


@pytest.fixture(scope="module")
def skips(reference, method):
    with torch.no_grad():
        return method.unet.skips(reference["out.enc_feature_3"])


def test_the_reference_s_generator_fits_and_only_what_is_unused_or_computed_is_dead(reference, method):
    report = import_state(method.unet, reference.part("state.gen."), key_map=MT_UNET)
    assert report.missing == report.unexpected == report.reshaped == []
    assert {key.rsplit(".", 1)[1] for key in report.dead} == {"relative_position_index", "attn_mask"}
    assert len(report.dead) + len(report.matched) == len(reference.part("state.gen."))


def test_windows_and_masks_are_those_in_the_reference_s_file(reference, method):
    blocks = {"layers1": method.unet.coarse, "layers2": method.unet.fine}
    masks = 0
    for key, value in reference.part("state.gen.").items():
        where = key.split(".")
        if where[0] not in blocks or where[:2] == ["layers1", "3"]:
            continue
        block = blocks[where[0]][int(where[1])].blocks[int(where[3])] if where[2] == "blocks" else None
        if key.endswith("relative_position_index"):
            assert torch.equal(block.attn.relative_position_index, value)
        if key.endswith("attn_mask"):
            masks += 1
            assert torch.equal(block.attn_mask, value)
    assert masks == 2 + 3


@pytest.mark.parametrize(("image", "theirs"), [("in.image", "enc_feature"), ("out.pred", "fc_pred_feature")])
def test_features_of_encoder_and_feature_extractor_are_the_reference_s(reference, method, image, theirs):
    for part in (method.encoder, method.feature_extractor):
        features = part.forward_intermediates(part.patches.patchify(reference[image]), use_class_token=False)
        assert len(features) == 4
        for index, feature in enumerate(features):
            reference.compare(feature, reference[f"out.{theirs}_{index}"])


@pytest.mark.parametrize("stage", range(3))
def test_skips_of_the_coarse_branch_are_the_reference_s(reference, skips, stage):
    reference.compare(skips[0][stage], reference[f"out.coarse_stage{stage}"])


@pytest.mark.parametrize("stage", range(4))
def test_skips_of_the_fine_branch_are_the_reference_s(reference, skips, stage):
    reference.compare(skips[1][stage], reference[f"out.fine_stage{stage}"])


def test_the_bottleneck_is_the_reference_s(reference, method, skips):
    reference.compare(method.unet.norm(skips[1][3]), reference["out.fine_bottleneck_norm"])


@pytest.mark.parametrize("stage", range(3))
def test_fusions_are_the_reference_s(reference, method, skips, stage):
    fusion = method.unet.levels[2 - stage].fusion
    fused = fusion(reference[f"out.dsf{stage}_decoder_in"], skips[0][stage], skips[1][stage])
    reference.compare(fused, reference[f"out.dsf{stage}"])


def test_inside_the_whole_network_fusions_see_and_give_what_the_reference_s_do(reference, method, batch):
    seen = {}
    hooks = [
        level.fusion.register_forward_hook(lambda _, given, made, stage=2 - i: seen.update({stage: (given[0], made)}))
        for i, level in enumerate(method.unet.levels)
    ]
    method.synthesise(batch["image"])
    for hook in hooks:
        hook.remove()
    for stage in range(3):
        reference.compare(seen[stage][0], reference[f"out.dsf{stage}_decoder_in"])
        reference.compare(seen[stage][1], reference[f"out.dsf{stage}"])


def test_the_synthetic_image_is_the_reference_s(reference, method, batch):
    reference.compare(method.synthesise(batch["image"]), reference["out.pred"])
    reference.compare(SynthesisNetwork(method)(batch["image"]), reference["out.pred"])
    reference.compare(method(batch).prediction["image"], reference["out.pred"])


def test_the_feature_loss_is_the_reference_s(reference):
    extractor = MTUNet(**ENCODER, **UNET).feature_extractor
    parts = ("cls_token", "patch_embed.", "blocks.", "norm.")
    import_state(extractor, reference.part("state.mae.", only=parts), strict=False)
    loss = feature_consistency(extractor, reference["out.pred"], reference["in.target"])
    reference.compare(loss, reference["out.fc_loss"])


def test_losses_are_the_reference_s(reference, method, batch):
    out = method(batch)
    assert_close(out.terms["image"], 10_000 * reference["out.l1_loss"], atol=0, rtol=1e-5)
    reference.compare(out.terms["feature"], reference["out.fc_loss"])
    assert_close(out.loss, reference["out.finetune_total"], atol=0, rtol=1e-5)
