"""MAE gives the numbers of the published code (facebookresearch/mae), from its weights and its noise."""

from __future__ import annotations

import pytest
import torch
from torch.testing import assert_close

from medmae.masking import Mask, RandomMasking
from medmae.methods.mae import mae_tiny
from medmae.nn.heads import Classifier
from medmae.nn.positions import resize_positions, sincos_table
from medmae.nn.vit import MaskedViT
from medmae.objectives.pixel import TargetNorm
from medmae.training.optim import LARS, layer_decay_groups
from medmae.training.schedule import WarmupCosine
from medmae.weights.io import import_state
from medmae.weights.maps.mae import MAE, MAE_CLASSIFIER

TARGETS = {"pix": None, "normpix": TargetNorm()}
GRADIENTS = {
    "patch_embed.proj.weight": "encoder.patch_embed.proj.weight",
    "cls_token": "encoder.cls_token",
    "blocks.0.attn.qkv.bias": "encoder.blocks.0.attn.qkv.bias",
    "mask_token": "decoder.mask_token",
    "decoder_pred.weight": "head.pred.weight",
}


@pytest.fixture(scope="module")
def reference(golden):
    return golden("mae")


@pytest.fixture(params=TARGETS)
def target(request):
    return request.param


@pytest.fixture
def method(reference, target):
    method = mae_tiny(target_norm=TARGETS[target])
    import_state(method, reference.part("state."), key_map=MAE)
    return method


@pytest.fixture
def batch(reference):
    return {"image": reference["in.img"]}


@pytest.fixture
def mask(reference):
    return RandomMasking(num_tokens=16, ratio=0.75).sample(3, noise=reference["mask.noise"])


def test_the_mask_is_the_reference_s(reference, mask):
    assert torch.equal(mask.as_bool(), reference["out.mask"].bool())


def test_the_inverse_of_visible_then_masked_is_the_reference_s(reference, mask):
    order = torch.cat([mask.visible, mask.masked], dim=1)
    assert torch.equal(order.argsort(dim=1), reference["out.ids_restore"])


@pytest.mark.parametrize(("ratio", "hidden"), [(0.5, 8), (0.6, 10), (0.9, 15)])
def test_masks_at_other_ratios_are_the_reference_s(reference, ratio, hidden):
    mask = RandomMasking(num_tokens=16, ratio=ratio).sample(3, noise=reference["mask.noise"])
    assert mask.num_masked == hidden
    assert torch.equal(mask.as_bool(), reference[f"out.mask_r{ratio}"].bool())


def test_the_loss_is_the_reference_s(reference, method, batch, mask, target):
    loss = method(batch, masks={"image": mask}).loss
    reference.compare(loss, reference[f"out.loss_{target}"])
    assert loss.item() == reference.approx(reference.info["losses"][target])


def test_the_latent_is_the_reference_s(reference, method, batch, mask):
    reference.compare(method.encoder(batch["image"], mask.visible), reference["out.latent"])


def test_the_prediction_is_the_reference_s(reference, method, batch, mask):
    reference.compare(method.predict(batch, mask), reference["out.pred"])
    reference.compare(method(batch, masks={"image": mask}).prediction["image"], mask.hidden(reference["out.pred"]))


@pytest.mark.parametrize("theirs", GRADIENTS)
def test_gradients_are_the_reference_s(reference, method, batch, mask, target, theirs):
    method(batch, masks={"image": mask}).loss.backward()
    gradient = dict(method.named_parameters())[GRADIENTS[theirs]].grad
    reference.compare(gradient, reference[f"out.grad_{target}.{theirs}"])


def test_the_target_is_the_reference_s(reference, method, batch, target):
    reference.compare(method.target(method.patches.patchify(batch["image"])), reference[f"out.target_{target}"])


def test_joined_predictions_are_the_reference_s_unpatchified(reference, method):
    reference.compare(method.patches.unpatchify(reference["out.pred"]), reference["out.unpatchified_pred"])


def test_the_position_table_is_the_reference_s(reference):
    table = sincos_table(grid=(14, 14), dim=768, prefix=1)
    assert_close(table[0], reference["out.sincos_14x14_d768"], atol=1e-6, rtol=0)


def test_a_fresh_method_has_the_reference_s_frozen_tables(reference):
    method = mae_tiny()
    assert_close(method.encoder.pos_embed.data, reference["state.pos_embed"], atol=1e-6, rtol=0)
    assert_close(method.decoder.pos_embed.data, reference["state.decoder_pos_embed"], atol=1e-6, rtol=0)


def test_resized_positions_are_the_reference_s(reference):
    resized = resize_positions(reference["state.pos_embed"], old_grid=(4, 4), new_grid=(6, 6))
    reference.compare(resized, reference["out.pos_embed_4to6"])


def classifier(pool):
    sizes = {"image_size": 32, "patch_size": 8, "embed_dim": 48, "depth": 3, "num_heads": 4}
    return Classifier(encoder=MaskedViT(**sizes, trainable_positions=True), num_classes=7, pool=pool)


@pytest.mark.parametrize(("pool", "theirs"), [("mean", "gap"), ("class_token", "cls")])
def test_the_classifier_is_the_reference_s(reference, batch, pool, theirs):
    model = classifier(pool).eval()
    state = {**reference.part("state."), **reference.part(f"cls.{theirs}.state.")}
    assert import_state(model, state, key_map=MAE_CLASSIFIER, strict=False).missing == []
    reference.compare(model.features(batch["image"]), reference[f"cls.{theirs}.features"])
    reference.compare(model(batch["image"]), reference[f"cls.{theirs}.logits"])


def test_layer_decay_is_the_reference_s(reference):
    table = reference.info["layer_decay_table"]
    model = classifier("class_token")
    layers = model.encoder.layers()
    groups = layer_decay_groups(model, layers, layer_decay=table["layer_decay"], weight_decay=table["weight_decay"])
    ours = {
        name.removeprefix("encoder."): {key: group[key] for key in ("lr_scale", "weight_decay")}
        for group in groups
        for name in group["names"]
    }
    assert ours == table["params"]


def test_the_learning_rate_is_the_reference_s(reference):
    table = reference.info["lr_schedule"]
    options = table["args"]
    schedule = WarmupCosine(warmup_epochs=options["warmup_epochs"], min_lr=options["min_lr"])
    for epoch, rate in table["values"].items():
        ours = schedule.value(float(epoch), peak=options["lr"], epochs=options["epochs"])
        assert ours == pytest.approx(rate, rel=1e-4, abs=1e-15), f"at epoch {epoch}"


def test_the_learning_rate_starts_at_exactly_zero_and_peaks_when_warm_up_ends(reference):
    options = reference.info["lr_schedule"]["args"]
    schedule = WarmupCosine(warmup_epochs=options["warmup_epochs"], min_lr=options["min_lr"])
    assert schedule.value(0.0, peak=2.4e-3, epochs=800) == 0.0
    assert schedule.value(40.0, peak=2.4e-3, epochs=800) == 2.4e-3


def test_three_steps_of_lars_are_the_reference_s(reference):
    matrix, bias = (torch.nn.Parameter(reference[f"lars.{name}0"].clone()) for name in "wb")
    optimiser = LARS([matrix, bias], lr=0.1, weight_decay=0.01, momentum=0.9, trust=0.001)
    for step in range(3):
        matrix.grad, bias.grad = reference["lars.gw"][step], reference["lars.gb"][step]
        optimiser.step()
        assert_close(matrix.data, reference[f"lars.w{step + 1}"], atol=1e-6, rtol=1e-5)
        assert_close(bias.data, reference[f"lars.b{step + 1}"], atol=1e-6, rtol=1e-5)


def test_a_mask_read_back_from_the_reference_s_table_gives_its_loss(reference, method, batch, target):
    """The order of visible tokens is lost in a table, and must not matter."""
    mask = Mask.from_bool(reference["out.mask"].bool())
    reference.compare(method(batch, masks={"image": mask}).loss, reference[f"out.loss_{target}"])
