"""MAE: its published sizes, and what its specification promises."""

from __future__ import annotations

import pytest
import torch
from torch.testing import assert_close

from medmae.masking import Mask
from medmae.methods.mae import mae_base, mae_huge, mae_large, mae_tiny
from medmae.nn.heads import Classifier
from medmae.nn.vit import MaskedViT
from medmae.weights.io import import_state
from medmae.weights.maps.mae import MAE, MAE_CLASSIFIER

# preset: total, trainable, encoder, trainable encoder, decoder part, classifier with 1000 classes, state entries
PUBLISHED = {
    mae_base: (111_907_840, 111_655_680, 85_798_656, 85_647_360, 26_109_184, 86_567_656, 254),
    mae_large: (329_541_888, 329_239_296, 303_301_632, 303_099_904, 26_240_256, 304_326_632, 398),
    mae_huge: (657_074_508, 656_613_964, 630_764_800, 630_435_840, 26_309_708, 632_045_800, 494),
}


def count(module, *, trainable=False):
    return sum(p.numel() for p in module.parameters() if p.requires_grad or not trainable)


def seeded(seed):
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def method():
    torch.manual_seed(0)
    return mae_tiny()


@pytest.fixture
def batch(method):
    return method.example_batch(3, generator=seeded(1))


@pytest.fixture
def mask(method, batch):
    return method.draw_masks(batch, generator=seeded(2))["image"]


def tampered(method, batch, tokens):
    """The batch with other pixels where ``tokens`` ``(B, K)`` point."""
    rows = method.patches.patchify(batch["image"])
    index = tokens.unsqueeze(2).expand(-1, -1, rows.shape[2])
    return {"image": method.patches.unpatchify(rows.scatter(1, index, torch.rand(index.shape, generator=seeded(3))))}


@pytest.mark.parametrize("preset", PUBLISHED)
def test_parameter_counts_are_the_published_ones(preset):
    with torch.device("meta"):
        method = preset()
    encoder = count(method.encoder)
    found = (count(method), count(method, trainable=True), encoder, count(method.encoder, trainable=True))
    decoder, classes, entries = PUBLISHED[preset][4:]
    assert found == PUBLISHED[preset][:4]
    assert count(method) - encoder == decoder
    assert len(method.state_dict()) == entries
    for pool in ("class_token", "mean"):  # the second replaces the encoder's norm, so it comes last
        with torch.device("meta"):
            assert count(Classifier(encoder=method.encoder, num_classes=1000, pool=pool)) == classes


def test_base_sees_49_of_196_tokens_and_decodes_197():
    with torch.device("meta"):
        method, image = mae_base(), torch.empty(2, 3, 224, 224)
    lengths = []
    for blocks in (method.encoder.blocks, method.decoder.blocks):
        blocks[0].register_forward_pre_hook(lambda _, inputs: lengths.append(inputs[0].shape[1]))
    mask = method({"image": image}).masks["image"]
    assert (mask.num_tokens, mask.num_visible, mask.num_masked) == (196, 49, 147)
    assert lengths == [50, 197]


def test_samples_of_a_batch_get_masks_of_their_own(method, batch, mask):
    tables = mask.as_bool()
    assert not torch.equal(tables[0], tables[1])
    assert torch.equal(method.draw_masks(batch, generator=seeded(2))["image"].as_bool(), tables)


def test_visible_pixels_of_the_target_do_not_count_and_hidden_ones_do(batch, mask):
    method = mae_tiny(target_norm=None)
    torch.nn.init.zeros_(method.head.pred.weight)  # the prediction is held
    loss = method(batch, masks={"image": mask}).loss
    assert torch.equal(method(tampered(method, batch, mask.visible), masks={"image": mask}).loss, loss)
    assert not torch.isclose(method(tampered(method, batch, mask.masked[:, :1]), masks={"image": mask}).loss, loss)


def test_hidden_input_leaves_latent_and_prediction_unchanged(method, batch, mask):
    other = tampered(method, batch, mask.masked)
    assert_close(method.encoder(other["image"], mask.visible), method.encoder(batch["image"], mask.visible))
    assert_close(method.predict(other, mask), method.predict(batch, mask))


def test_predicting_zero_against_a_normalised_target_costs_almost_one(method, batch, mask):
    torch.nn.init.zeros_(method.head.pred.weight)
    values = method.patches.num_values
    assert method(batch, masks={"image": mask}).loss.item() == pytest.approx((values - 1) / values, abs=1e-4)


def test_a_perfect_prediction_costs_nothing_and_is_drawn_as_the_input_if_given_its_statistics(
    method, batch, mask, monkeypatch
):
    target = method.target(method.patches.patchify(batch["image"]))
    monkeypatch.setattr(method.head, "forward", lambda tokens: mask.hidden(target))
    assert method(batch, masks={"image": mask}).loss == 0
    monkeypatch.setattr(method.head, "forward", lambda tokens: target)
    shown = method.show(batch, {"image": mask})["image"]
    assert_close(shown.by_patch, batch["image"], atol=1e-5, rtol=0)
    assert not torch.allclose(shown.made, batch["image"], atol=1e-2)  # what is scored is not given them


def test_the_loss_is_the_mean_over_hidden_patches_of_the_whole_prediction(method, batch, mask):
    """Section 7 as it stands: sum(mask * e) / sum(mask), over all tokens in raster order."""
    error = (method.predict(batch, mask) - method.target(method.patches.patchify(batch["image"]))).square().mean(dim=2)
    table = mask.as_bool().float()
    assert_close(method(batch, masks={"image": mask}).loss, (table * error).sum() / table.sum())


def test_positions_are_fixed_in_pre_training(method):
    assert not method.encoder.pos_embed.requires_grad
    assert not method.decoder.pos_embed.requires_grad


@pytest.mark.parametrize("wrapped", ["", "module."])
def test_a_state_dict_of_the_published_layout_fits_completely(wrapped):
    with torch.device("meta"):
        method = mae_base()
        state = {wrapped + key: torch.empty(shape) for key, shape in published_layout().items()}
    report = import_state(method, state, key_map=MAE)
    assert len(report.matched) == 254


def test_encoder_only_weights_leave_exactly_the_decoder_missing(method):
    state = {key: torch.zeros_like(value) for key, value in method.encoder.state_dict().items()}
    report = import_state(method, state, key_map=MAE, strict=False)
    others = {key for key in method.state_dict() if key.startswith(("decoder.", "head."))}
    assert set(report.missing) == others
    assert report.unexpected == report.reshaped == []
    assert not method.encoder.cls_token.any()


@pytest.mark.parametrize(
    ("pool", "missing", "unexpected"),
    [
        ("mean", ["fc_norm.bias", "fc_norm.weight", "head.bias", "head.weight"], ["norm.bias", "norm.weight"]),
        ("class_token", ["head.bias", "head.weight"], []),
    ],
)
def test_encoder_weights_leave_exactly_the_head_of_a_classifier_missing(method, pool, missing, unexpected):
    encoder = MaskedViT(image_size=32, patch_size=8, embed_dim=48, depth=3, num_heads=4, trainable_positions=True)
    model = Classifier(encoder=encoder, num_classes=5, pool=pool)
    report = import_state(model, method.encoder.state_dict(), key_map=MAE_CLASSIFIER, strict=False)
    assert report.missing == missing
    assert report.unexpected == [f"encoder.{key}" for key in unexpected]


@pytest.mark.parametrize(
    "sizes",
    [
        {"in_channels": 1},
        {"in_channels": 7},
        {"image_size": (16, 40)},
        {"image_size": (24, 16), "patch_size": (8, 4), "in_channels": 2},
        {"image_size": (96,), "patch_size": (8,), "in_channels": 12},
        {"image_size": (8, 16, 24), "patch_size": (4, 8, 8), "in_channels": 2},
    ],
    ids=["one channel", "seven channels", "not square", "patch not square", "signal", "volume"],
)
def test_any_size_and_any_number_of_axes_and_channels_trains_and_reconstructs(sizes):
    method = mae_tiny(**sizes)
    batch = method.example_batch(2)
    out = method(batch)
    out.loss.backward()
    assert method.encoder.patch_embed.proj.weight.grad.isfinite().all()
    assert method.show(batch, out.masks)["image"].made.shape == batch["image"].shape


def test_an_image_of_another_size_is_refused_with_both_shapes(method):
    with pytest.raises(ValueError, match=r"\(B, 3, 32, 32\), got \(2, 3, 32, 40\)"):
        method({"image": torch.rand(2, 3, 32, 40)})


def test_raw_pixels_are_the_target_on_request_and_drawn_as_predicted(batch, mask):
    method = mae_tiny(target_norm=None)
    rows = method.patches.patchify(batch["image"])
    assert torch.equal(method.target(rows), rows)
    drawn = method.patches.patchify(method.show(batch, {"image": mask})["image"].made)
    assert_close(mask.hidden(drawn), method(batch, masks={"image": mask}).prediction["image"], atol=1e-5, rtol=1e-4)


def published_layout():
    """Section 10: keys and shapes of a Base file."""
    shapes = {
        "cls_token": (1, 1, 768),
        "pos_embed": (1, 197, 768),
        "patch_embed.proj.weight": (768, 3, 16, 16),
        "patch_embed.proj.bias": (768,),
        "mask_token": (1, 1, 512),
        "decoder_pos_embed": (1, 197, 512),
        "decoder_embed.weight": (512, 768),
        "decoder_embed.bias": (512,),
        "decoder_pred.weight": (768, 512),
        "decoder_pred.bias": (768,),
    }
    for norm, width in (("norm", 768), ("decoder_norm", 512)):
        shapes |= {f"{norm}.weight": (width,), f"{norm}.bias": (width,)}
    for blocks, depth, d in (("blocks", 12, 768), ("decoder_blocks", 8, 512)):
        linears = {"attn.qkv": (3 * d, d), "attn.proj": (d, d), "mlp.fc1": (4 * d, d), "mlp.fc2": (d, 4 * d)}
        for index in range(depth):
            for name, shape in (linears | {"norm1": (d,), "norm2": (d,)}).items():
                shapes[f"{blocks}.{index}.{name}.weight"] = shape
                shapes[f"{blocks}.{index}.{name}.bias"] = shape[:1]
    return shapes


@pytest.mark.parametrize("place", ["first", "last", "none"])
def test_the_order_of_visible_tokens_does_not_matter_wherever_the_class_token_stands(place):
    torch.manual_seed(0)
    method = mae_tiny(class_token=place).eval()
    batch = method.example_batch(2)
    mask = method.draw_masks(batch)["image"]
    turned = Mask(mask.visible.flip(1), mask.masked, mask.num_tokens)
    first, second = (method(batch, masks={"image": m}).prediction["image"] for m in (mask, turned))
    assert torch.allclose(first, second, atol=1e-5)


@pytest.mark.parametrize(
    "typo",
    [{"rounding": "truncate"}, {"axis_order": "rows"}, {"class_token": "frist"}],
    ids=lambda typo: next(iter(typo)),
)
def test_a_misspelt_option_is_refused_with_the_choices(typo):
    name, value = next(iter(typo.items()))
    with pytest.raises(ValueError, match=f"{name} must be .* or .*, got '{value}'"):
        mae_tiny(**typo)
