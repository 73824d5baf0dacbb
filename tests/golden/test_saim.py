"""SAIM gives the numbers of the published code (qiy20/SAIM), from its weights and its noise."""

from __future__ import annotations

import pytest
import torch
from torch.testing import assert_close

from medmae.masking.base import gather_tokens
from medmae.masking.permutation import PermutationMasking
from medmae.methods.saim import saim_tiny
from medmae.nn.heads import Classifier
from medmae.nn.vit import MaskedViT
from medmae.objectives.pixel import TargetNorm
from medmae.objectives.smoothing import GaussianSmoothing
from medmae.weights.io import import_state
from medmae.weights.maps.saim import SAIM, SAIM_CLASSIFIER

# Theirs, ours, and rows of ours where it is a part: queries, keys and values are one matrix here.
GRADIENTS = [
    ("patch_embed.proj.weight", "encoder.patch_embed.proj.weight", slice(None)),
    ("cls_token", "encoder.cls_token", slice(None)),
    ("blocks.0.attn.k.weight", "encoder.blocks.0.attn.qkv.weight", slice(48, 96)),
    ("blocks.3.mlp.fc2.weight", "encoder.blocks.3.mlp.fc2.weight", slice(None)),
    ("query_blocks.0.attn.q.weight", "query_blocks.0.attn.qkv.weight", slice(0, 48)),
    ("prediction_head.fc2.weight", "head.fc2.weight", slice(None)),
]
VARIANTS = {"qd2": {"query_depth": 2}, "share": {"share_weights": True}, "linear": {"head": "linear"}}
ENCODER = ("cls_token", "pos_embed", "patch_embed.", "blocks.", "norm.")
LOSSES = [
    f"{error}_{target}_{blur}" for error in ("L1", "L2") for target in ("normpix", "pix") for blur in ("blur", "noblur")
]


@pytest.fixture(scope="module")
def reference(golden):
    return golden("saim")


@pytest.fixture
def make(reference):
    def build(part="state", **options):
        method = saim_tiny(**options)
        import_state(method, reference.part(f"{part}."), key_map=SAIM)
        return method

    return build


@pytest.fixture
def batch(reference):
    return {"image": reference["in.img"]}


@pytest.fixture
def order(reference):
    noise = reference["mask.noise"]
    return PermutationMasking(num_tokens=16).sample(len(noise), noise=noise)


def in_order(rows, order):
    """Theirs, class token first and in raster order, as ours: without it and in the order of prediction."""
    return gather_tokens(rows[:, 1:], order.order)


@pytest.mark.parametrize(("strict", "theirs"), [(False, "mask.content_allowed"), (True, "mask.query_allowed")])
def test_causal_attention_in_our_order_allows_what_the_reference_s_masks_allow(reference, order, strict, theirs):
    """As a table over [class token, tokens in raster order]; a query of ours reads one token less than its content."""
    causal = torch.tril(torch.ones(17, 17, dtype=torch.bool), diagonal=-int(strict))
    causal[0, 0] = True  # the class token reads itself in both of theirs
    place = torch.cat(
        [torch.zeros(len(order.order), 1, dtype=torch.long), 1 + order.order.argsort(dim=1)], dim=1
    )  # in our order
    table = causal[place.unsqueeze(2), place.unsqueeze(1)]  # (B, 17, 17)
    assert torch.equal(table, reference[theirs].bool())


def test_the_content_stream_is_the_reference_s(reference, batch, order):
    method = saim_tiny()
    import_state(method, reference.part("state.", only=ENCODER), key_map=SAIM, strict=False)
    content = method.encoder.embed(method.patches.patchify(batch["image"]), order.order)
    for block in method.encoder.blocks:
        content = block(content, causal=True)
    theirs = reference["out.content_h"]
    reference.compare(content, torch.cat([theirs[:, :1], in_order(theirs, order)], dim=1))


def test_the_prediction_is_the_reference_s(reference, make, batch, order):
    method = make()
    reference.compare(method.predict(batch, order), in_order(reference["out.pred"], order))
    reference.compare(
        method(batch, masks={"image": order}).prediction["image"], order.hidden(reference["out.pred"][:, 1:])
    )


@pytest.mark.parametrize("name", LOSSES)
def test_losses_are_the_reference_s(reference, make, batch, order, name):
    error, target, blur = name.split("_")
    method = make(
        error="l1" if error == "L1" else "mse",
        target_norm=TargetNorm() if target == "normpix" else None,
        smoothing=GaussianSmoothing() if blur == "blur" else None,
    )
    loss = method(batch, masks={"image": order}).loss
    reference.compare(loss, reference[f"out.loss_{name}"])
    assert loss.item() == reference.approx(reference.info["losses"][name])


def test_the_defaults_are_the_published_setting(reference, make, batch, order):
    assert make()(batch, masks={"image": order}).loss.item() == pytest.approx(1.2795010805, abs=1e-5)


@pytest.mark.parametrize(("theirs", "ours", "part"), GRADIENTS)
def test_gradients_are_the_reference_s(reference, make, batch, order, theirs, ours, part):
    method = make()
    method(batch, masks={"image": order}).loss.backward()
    gradient = dict(method.named_parameters())[ours].grad
    reference.compare(gradient[part], reference[f"out.grad.{theirs}"])


@pytest.mark.parametrize("variant", VARIANTS)
def test_variants_are_the_reference_s(reference, make, batch, order, variant):
    method = make(f"state_{variant}", **VARIANTS[variant])
    reference.compare(method.predict(batch, order), in_order(reference[f"out_{variant}.pred"], order))
    reference.compare(method(batch, masks={"image": order}).loss, reference[f"out_{variant}.loss"])


def test_the_smoothed_image_and_the_kernel_are_the_reference_s(reference, batch):
    smoothing = GaussianSmoothing()
    reference.compare(smoothing(batch["image"]), reference["out.blurred_img"])
    kernel = torch.tensor(smoothing.kernel)
    assert_close(torch.outer(kernel, kernel), reference["state.gaussian_blur.weight"][0, 0], atol=1e-7, rtol=1e-6)


def test_a_fresh_method_has_the_reference_s_frozen_table(reference):
    assert_close(saim_tiny().encoder.pos_embed.data, reference["state.pos_embed"], atol=1e-6, rtol=0)


@pytest.mark.parametrize(("pool", "theirs"), [("mean", "gap"), ("class_token", "cls")])
def test_the_classifier_is_the_reference_s(reference, batch, pool, theirs):
    sizes = {"image_size": 32, "patch_size": 8, "embed_dim": 48, "depth": 4, "num_heads": 4}
    model = Classifier(encoder=MaskedViT(**sizes, trainable_positions=True), num_classes=7, pool=pool).eval()
    state = {**reference.part("state.", only=ENCODER), **reference.part(f"cls.{theirs}.state.")}
    report = import_state(model, state, key_map=SAIM_CLASSIFIER, strict=False)
    assert report.missing == ([] if pool == "class_token" else ["fc_norm.bias", "fc_norm.weight"])  # of theirs, fresh
    reference.compare(model.features(batch["image"]), reference[f"cls.{theirs}.features"])
    reference.compare(model(batch["image"]), reference[f"cls.{theirs}.logits"])
