"""BootMAE gives the numbers of the published code (LightDXY/BootMAE), from its weights, its teacher and its noise."""

from __future__ import annotations

import pytest
import torch
from torch.testing import assert_close

from medmae.masking.block import BlockMasking
from medmae.methods.bootmae import BootMAE, bootmae_base, bootmae_large
from medmae.nn.heads import Classifier
from medmae.nn.positions import SinCos
from medmae.nn.vit import MaskedViT
from medmae.objectives.edge import patchwise_weight
from medmae.training.schedule import WarmupCosine
from medmae.weights.io import import_state
from medmae.weights.maps.bootmae import BOOTMAE, BOOTMAE_CLASSIFIER

SIZES = {"image_size": 64, "patch_size": 8, "embed_dim": 48, "depth": 3, "num_heads": 12}
WEIGHTED = {"weighted": True, "plain": False}
D = 48
ENCODER = ("cls_token", "pos_embed", "patch_embed.", "blocks.", "norm.")


@pytest.fixture(scope="module")
def reference(golden):
    return golden("bootmae")


@pytest.fixture(scope="module")
def published(reference):
    """Model and teacher, as their file holds them."""
    teacher = {f"model_ema.{key}": value for key, value in reference.part("state_ema.").items()}
    return {**reference.part("state."), **teacher}


@pytest.fixture(params=WEIGHTED)
def variant(request):
    return request.param


@pytest.fixture
def make(published):
    def build(**options):
        method = BootMAE(**SIZES, decoder_dim=40, **options)
        import_state(method, published, key_map=BOOTMAE)
        return method

    return build


@pytest.fixture
def method(make):
    return make()


@pytest.fixture
def batch(reference):
    return {"image": reference["in.img"]}


@pytest.fixture
def mask(reference):
    blocks, noise = (reference[f"mask.{name}"].flatten(1) for name in ("block", "rand"))
    return BlockMasking(grid=(8, 8)).replay(blocks=blocks, noise=noise, shift=2)


@pytest.fixture
def stages(reference, batch, mask):
    method = BootMAE(**SIZES, decoder_dim=40)
    import_state(method, reference.part("state.", only=ENCODER), key_map=BOOTMAE, strict=False)
    return method.encoder.forward_intermediates(method.patches.patchify(batch["image"]), mask.visible)


def test_the_reference_s_state_fits_and_only_its_teacher_s_decoders_are_dead(reference, published):
    report = import_state(BootMAE(**SIZES, decoder_dim=40), published, key_map=BOOTMAE)
    assert report.fits
    assert all(key.startswith("model_ema.") for key in report.dead)
    theirs = {key for key in reference.part("state_ema.") if not key.startswith(ENCODER)}
    assert {key.removeprefix("model_ema.") for key in report.dead} == theirs


@pytest.mark.parametrize("shift", range(4))
def test_the_order_of_tokens_is_the_reference_s(reference, shift):
    blocks, noise = (reference[f"mask.{name}"].flatten(1) for name in ("block", "rand"))
    mask = BlockMasking(grid=(8, 8)).replay(blocks=blocks, noise=noise, shift=shift)
    assert torch.equal(torch.cat([mask.visible, mask.masked], dim=1), reference[f"mask.idx_shuffle_roll{shift}"])


def test_the_mask_is_the_reference_s(reference, mask):
    assert torch.equal(torch.cat([mask.visible, mask.masked], dim=1), reference["mask.idx_shuffle"])
    assert mask.num_masked == reference.info["mask_len"]
    assert torch.equal(mask.as_bool(), reference["out.loss_mask"].bool())


def test_as_many_tokens_are_marked_as_in_the_reference(reference):
    assert set(reference["mask.block"].sum(dim=(1, 2)).tolist()) == {BlockMasking(grid=(8, 8)).num_marked}


def test_blocks_lie_where_the_reference_s_lie(reference):
    wanted = reference.info["mask_statistics_published"]
    masking = BlockMasking(grid=(14, 14), max_shift=0, ratio=120.5 / 196, rounding="nearest")
    assert (masking.num_marked, masking.min_block, masking.max_block) == (120, 16, 60)
    marked = masking.sample(1000, generator=torch.Generator().manual_seed(0)).as_bool().view(-1, 14, 14)
    assert set(marked.sum(dim=(1, 2)).tolist()) == {wanted["num"]}  # just the marked ones are hidden
    share = marked.float().mean(dim=0)
    assert share[6:8, 6:8].mean().item() == pytest.approx(wanted["centre_rate"], abs=0.025)
    assert share[[0, 0, -1, -1], [0, -1, 0, -1]].mean().item() == pytest.approx(wanted["corner_rate"], abs=0.025)
    same = [(marked[:, 1:] == marked[:, :-1]).float().mean(), (marked[..., 1:] == marked[..., :-1]).float().mean()]
    assert sum(same).item() / 2 == pytest.approx(wanted["neighbour_agreement"], abs=0.003)


@pytest.mark.parametrize(("stage", "theirs"), [(1, "block0"), (3, "block_last"), (4, "latent")])
def test_taps_and_latent_are_the_reference_s(reference, stages, stage, theirs):
    reference.compare(stages[stage], reference[f"out.{theirs}"])


def test_teacher_features_are_the_reference_s(reference, method, batch):
    reference.compare(
        method.teacher_features(method.patches.patchify(batch["image"])), reference["out.teacher_feature"]
    )


def test_the_pixel_prediction_is_the_reference_s(reference, method, batch, mask):
    rows = method.patches.patchify(reference["out.pixel_pred"])
    reference.compare(method.patches.unpatchify(method.predict(batch, mask)["image"]), reference["out.pixel_pred"])
    reference.compare(method(batch, masks={"image": mask}).prediction["image"], mask.hidden(rows))


def test_the_feature_prediction_is_the_reference_s(reference, method, batch, mask):
    reference.compare(method.predict(batch, mask)["feature"], reference["out.feature_pred"])
    hidden = mask.hidden(reference["out.feature_pred"])
    reference.compare(method(batch, masks={"image": mask}).prediction["feature"], hidden)


def test_the_pixel_target_is_the_reference_s(reference, method, batch):
    target = method.patches.unpatchify(method.target(method.patches.patchify(batch["image"])))
    reference.compare(target, reference["out.target_img_norm"])


def test_weights_are_the_reference_s(reference, method, mask, variant):
    weight = patchwise_weight(mask, grid=(8, 8)) if WEIGHTED[variant] else torch.ones(4, 48)
    theirs = reference[f"out.weight_{variant}"]
    reference.compare(weight, theirs.gather(1, mask.masked))
    assert not theirs.gather(1, mask.visible).any()


def test_losses_are_the_reference_s(reference, make, batch, mask, variant):
    terms = make(centre_weighted=WEIGHTED[variant])(batch, masks={"image": mask}).terms
    reference.compare(terms["image"], reference[f"out.loss_pixel_{variant}"])
    reference.compare(terms["feature"], reference[f"out.loss_feature_{variant}"])
    assert [value.item() for value in terms.values()] == reference.approx(reference.info["losses"][variant])


GRADIENTS = {
    "patch_embed.proj.weight": ("encoder.patch_embed.proj.weight", None),
    "mask_token": ("pixel_decoder.mask_token", None),
    "mask_token_1": ("feature_decoder.mask_token", None),
    "decode_blocks.0.c_attn.kv.weight": ("pixel_decoder.blocks.0.cross_attn.kv.weight", None),
    "decode_blocks_1.1.c_attn.q_bias": ("feature_decoder.blocks.1.cross_attn.q.bias", None),
    "blocks.0.attn.q_bias": ("encoder.blocks.0.attn.qkv.bias", slice(D)),
    "norm.weight": ("encoder.norm.weight", None),
}


def test_every_gradient_of_the_file_is_compared(reference):
    assert reference.part("out.grad.").keys() == GRADIENTS.keys()


@pytest.mark.parametrize("theirs", GRADIENTS)
def test_gradients_are_the_reference_s(reference, method, batch, mask, theirs):
    method(batch, masks={"image": mask}).loss.backward()
    name, part = GRADIENTS[theirs]
    gradient = dict(method.named_parameters())[name].grad
    reference.compare(gradient if part is None else gradient[part], reference[f"out.grad.{theirs}"])


def test_a_fresh_method_has_the_reference_s_frozen_tables(reference):
    method = BootMAE(**SIZES, decoder_dim=40)
    assert_close(method.encoder.pos_embed.data, reference["state.pos_embed"], atol=1e-6, rtol=0)
    assert_close(method.pixel_pos_embed.data, reference["state.de_pos_embed"], atol=1e-6, rtol=0)


@pytest.mark.parametrize(("preset", "column"), [(bootmae_base, 0), (bootmae_large, 1)])
def test_the_teacher_s_momentum_is_the_reference_s(reference, preset, column):
    with torch.device("meta"):
        method = preset(depth=2)
    table = reference.info["ema_decay_by_epoch"]["values"]
    ours = [method.momentum_at(int(epoch) / 801) for epoch in table]
    assert ours == pytest.approx([values[column] for values in table.values()], rel=1e-9)


def test_the_weight_of_the_feature_loss_is_the_reference_s(reference, method):
    table = reference.info["feature_weight_by_epoch"]["values"]
    assert [method.feature_weight_at(int(epoch) / 801) for epoch in table] == pytest.approx(list(table.values()))


def test_the_learning_rate_is_the_reference_s_but_for_one_part_in_400_of_its_warm_up(reference):
    """Their warm-up reaches the peak a step before it ends; ours when it ends."""
    table = reference.info["lr_schedule"]
    options = table["args"]
    schedule = WarmupCosine(warmup_epochs=options["warmup_epochs"], min_lr=options["final"])
    for step, rate in table["values"].items():
        epoch = int(step) / options["iters_per_epoch"]
        ours = schedule.value(epoch, peak=options["base"], epochs=options["epochs"])
        assert ours == pytest.approx(rate, rel=1e-6 if epoch >= 40 else 1 / 399), f"at step {step}"
    assert table["values"]["0"] == schedule.value(0.0, peak=options["base"], epochs=801) == 0.0


def test_the_classifier_is_the_reference_s(reference, batch):
    model = Classifier(encoder=MaskedViT(**SIZES, positions=SinCos("first_first")), num_classes=7).eval()
    state = {**reference.part("state.", only=ENCODER), **reference.part("cls.gap.state.")}
    report = import_state(model, state, key_map=BOOTMAE_CLASSIFIER, strict=False)
    assert (report.missing, report.reshaped) == ([], [])
    reference.compare(model.features(batch["image"]), reference["cls.gap.features"])
    reference.compare(model(batch["image"]), reference["cls.gap.logits"])


def test_a_classifier_lacks_only_its_norm_and_head_and_has_no_use_for_the_last_norm(reference):
    model = Classifier(encoder=MaskedViT(**SIZES, positions=SinCos("first_first")), num_classes=7)
    report = import_state(model, reference.part("state."), key_map=BOOTMAE_CLASSIFIER, strict=False)
    assert {key.split(".")[0] for key in report.missing} == {"fc_norm", "head"}
    assert {"encoder.norm.weight", "encoder.norm.bias"} <= set(report.unexpected)
    assert not {key.split(".")[0] for key in report.unexpected} & {"blocks", "patch_embed"}
