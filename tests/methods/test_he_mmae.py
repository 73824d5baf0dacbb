"""MMAE: its published sizes, its losses, missing modalities, other modality sets, and the encoder one keeps."""

from __future__ import annotations

import argparse

import pytest
import torch
from torch.testing import assert_close

from medmae.masking import Mask
from medmae.methods import he_mmae
from medmae.methods.he_mmae import CONTRASTS, RGB_OUTPUTS, he_mmae_mri, he_mmae_rgb, he_mmae_small, he_mmae_tiny
from medmae.nn.heads import Classifier, FeatureMap
from medmae.nn.positions import SinCos
from medmae.nn.vit import MaskedViT
from medmae.training.optim import layer_decay_groups
from medmae.weights.io import load_weights
from medmae.weights.maps.he_mmae import HE_MMAE

ALL = {**RGB_OUTPUTS, "h": "l1", "e": "l1"}
RGB = {"rgb": "mse"}


def seeded(seed):
    return torch.Generator().manual_seed(seed)


def count(module, *, trainable=False):
    return sum(p.numel() for p in module.parameters() if p.requires_grad or not trainable)


def tiny(**options):
    torch.manual_seed(0)
    return he_mmae_tiny(**options)


@pytest.fixture
def method():
    return tiny()


@pytest.fixture
def batch(method):
    return method.example_batch(4, generator=seeded(1))


@pytest.fixture
def mask(method, batch):
    return method.draw_masks(batch, generator=seeded(2))["modalities"]


def visible_of(mask, number, *, modalities=3):
    """``(B, n)`` bool, tokens of one modality that are visible."""
    return ~mask.as_bool().unflatten(1, (modalities, -1))[:, number]


@pytest.mark.parametrize(
    ("preset", "options", "total", "trainable", "entries"),
    [
        ("small", {}, 27_446_272, 27_120_128, 252),
        ("small", {"outputs": RGB}, 24_729_344, 24_453_376, None),
        ("small", {"outputs": ALL}, 32_616_960, 32_190_464, None),
        ("rgb", {"outputs": RGB_OUTPUTS}, 27_097_344, 26_921_728, None),
        ("rgb", {}, 24_380_928, 24_255_488, None),
        ("base", {}, 92_122_624, 91_570_688, None),
        ("large", {}, 309_987_840, 309_285_376, None),
    ],
)
def test_parameter_counts_are_the_published_ones(preset, options, total, trainable, entries):
    with torch.device("meta"):
        method = getattr(he_mmae, f"he_mmae_{preset}")(**options)
    assert (count(method), count(method, trainable=True)) == (total, trainable)
    assert entries is None or len(method.state_dict()) == entries


def test_parts_have_the_published_counts():
    with torch.device("meta"):
        method = he_mmae_small()
        classifier = Classifier(encoder=he_mmae_small().encoder, num_classes=8, pool="class_token")
    assert count(method.encoder.blocks) == 21_293_568
    assert count(method.encoder) == 21_293_568 + 370_560 + 384
    assert {name: count(adapter) for name, adapter in method.adapters.items()} == {"h": 173_952, "e": 173_952}
    for decoder in method.decoders.values():
        assert (count(decoder), count(decoder, trainable=True)) == (2_716_928, 2_666_752)
    assert (count(classifier), count(classifier, trainable=True)) == (21_668_360, 21_593_096)


def test_98_of_588_tokens_are_visible_and_the_encoder_sees_one_more():
    with torch.device("meta"):
        method = he_mmae_small()
    mask = method.masking.sample(5, generator=seeded(0))
    assert (mask.num_tokens, mask.visible.shape, mask.masked.shape) == (588, (5, 98), (5, 490))
    lengths = []
    small = he_mmae_small(depth=1, embed_dim=48, num_heads=2, outputs=RGB, decoder_dim=16, decoder_depth=0)
    small.encoder.blocks[0].register_forward_pre_hook(lambda _, inputs: lengths.append(inputs[0].shape[1]))
    small(small.example_batch(1, generator=seeded(0)), generator=seeded(1))
    assert lengths == [99]


def test_the_defaults_are_the_published_command_s():
    with torch.device("meta"):
        masking = he_mmae_small().masking
    assert (masking.num_visible, masking.alphas, masking.strategy) == (98, [8.0, 1.0, 1.0], "independent")


def test_the_loss_of_rgb_depends_on_hidden_rgb_alone(method, batch, mask):
    for decoder in method.decoders.values():  # predictions that no input changes
        torch.nn.init.zeros_(decoder.pred.weight)
        torch.nn.init.normal_(decoder.pred.bias, generator=seeded(8))
    patches, seen = method.modalities.patches["rgb"], visible_of(mask, 0).unsqueeze(2)
    rows = patches.patchify(batch["rgb"])
    noise = torch.rand(rows.shape, generator=seeded(3))
    before = method(batch, masks={"modalities": mask}).terms
    in_sight = method(
        {**batch, "rgb": patches.unpatchify(torch.where(seen, noise, rows))}, masks={"modalities": mask}
    ).terms
    hidden = method(
        {**batch, "rgb": patches.unpatchify(torch.where(seen, rows, noise))}, masks={"modalities": mask}
    ).terms
    for name in ("rgb", "norm_rgb"):
        assert torch.equal(in_sight[name], before[name])
        assert not torch.isclose(hidden[name], before[name], rtol=1e-3, atol=0)
    for name in ("h", "e"):
        assert torch.equal(in_sight[name], before[name])
        assert torch.equal(hidden[name], before[name])


def test_a_patch_is_hidden_from_rgb_even_where_a_stain_shows_it(method, batch):
    """Cross-stain prediction is the signal: h shows all positions, and every rgb token is still asked for."""
    hidden = torch.ones(4, 3, 16, dtype=torch.bool)
    hidden[:, 1], hidden[:, 0, 5] = False, False
    mask = Mask.from_bool(hidden.flatten(1))
    errors = (method.predict(batch, mask)["rgb"] - method.modalities.patchify(batch)[0]).square().mean(dim=2)
    assert_close(method(batch, masks={"modalities": mask}).terms["rgb"], errors[:, torch.arange(16) != 5].mean())


def test_a_sample_that_shows_all_of_a_modality_is_dropped_from_its_loss():
    method = tiny(num_visible=16)
    batch = method.example_batch(3, generator=seeded(1))
    hidden = torch.ones(3, 3, 16, dtype=torch.bool)
    hidden[0, 0] = False  # sample 0 shows all of rgb
    hidden[1, :, :4], hidden[1, 0, 4:8] = False, False
    hidden[2, 1] = False
    mask = Mask.from_bool(hidden.flatten(1))
    some = {name: value[1:] for name, value in batch.items()}
    rest = Mask(mask.visible[1:], mask.masked[1:], 48)
    assert_close(
        method(batch, masks={"modalities": mask}).terms["rgb"], method(some, masks={"modalities": rest}).terms["rgb"]
    )
    assert not torch.isclose(
        method(batch, masks={"modalities": mask}).terms["h"], method(some, masks={"modalities": rest}).terms["h"]
    )


def test_if_all_samples_show_everything_of_an_output_its_loss_is_0_and_gradients_are_finite():
    method = tiny(outputs=RGB_OUTPUTS, num_visible=16)
    hidden = torch.ones(2, 3, 16, dtype=torch.bool)
    hidden[:, 0] = False
    out = method(method.example_batch(2, generator=seeded(1)), masks={"modalities": Mask.from_bool(hidden.flatten(1))})
    out.loss.backward()
    assert out.loss.item() == 0
    assert all(p.grad is None or p.grad.isfinite().all() for p in method.parameters())


def test_the_order_of_samples_and_of_visible_tokens_does_not_matter(method, batch, mask):
    straight = method(batch, masks={"modalities": mask})
    order, turned = torch.tensor([2, 0, 3, 1]), torch.randperm(14, generator=seeded(4))
    mixed = method(
        {name: value[order] for name, value in batch.items()},
        masks={"modalities": Mask(mask.visible[order][:, turned], mask.masked[order], 48)},
    )
    for name, prediction in straight.prediction.items():
        assert_close(mixed.prediction[name], prediction[order], atol=1e-5, rtol=1e-4)
    assert_close(mixed.loss, straight.loss, atol=1e-5, rtol=1e-4)


def test_a_modality_that_nobody_has_may_be_left_out(method, batch):
    rgb_only = {"rgb": batch["rgb"]}
    out = method(rgb_only, generator=seeded(3))
    assert torch.equal(visible_of(out.masks["modalities"], 0).sum(dim=1), torch.full((4,), 14))
    assert out.terms["h"] == out.terms["e"] == 0
    assert out.terms["rgb"] > 0
    out.loss.backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in method.parameters())


def test_a_sample_s_missing_modality_is_hidden_and_in_no_loss_whatever_the_batch_holds(method, batch):
    available = torch.tensor([[True, True, True], [True, False, True], [False, True, True], [True, False, False]])
    batch["available"] = available
    out = method(batch, generator=seeded(5))
    shown = torch.stack([visible_of(out.masks["modalities"], number).sum(dim=1) for number in range(3)], dim=1)
    assert torch.equal(shown.sum(dim=1), torch.full((4,), 14))
    assert not shown[~available].any()
    spoilt = dict(batch)
    for number, name in enumerate(("rgb", "h", "e")):
        spoilt[name] = batch[name].clone()
        spoilt[name][~available[:, number]] = float("nan")
    again = method(spoilt, masks=out.masks)
    assert torch.equal(again.loss, out.loss)
    again.loss.backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in method.parameters())


def test_a_loss_over_what_is_there_is_the_loss_of_the_samples_that_have_it(method, batch):
    batch["available"] = torch.tensor(
        [[True, True, True], [True, False, True], [True, True, True], [True, False, True]]
    )
    out = method(batch, generator=seeded(6))
    some = {name: value[::2] for name, value in batch.items()}
    mask = Mask(out.masks["modalities"].visible[::2], out.masks["modalities"].masked[::2], 48)
    assert_close(out.terms["h"], method(some, masks={"modalities": mask}).terms["h"], atol=1e-5, rtol=1e-4)


def test_training_on_rgb_alone_and_on_all_modalities_in_one_run_works():
    method = tiny()
    optimiser = torch.optim.AdamW(method.parameters(), lr=2e-3)
    batch = method.example_batch(4, generator=seeded(1))
    batch["available"] = torch.tensor([[True, True, True], [True, False, False]] * 2)
    losses = []
    for step in range(12):
        optimiser.zero_grad()
        loss = method(batch, generator=seeded(step % 2)).loss
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.9 * losses[0]


def test_padded_samples_are_refused(method, batch):
    with pytest.raises(ValueError, match="padded samples are not known here"):
        method({**batch, "real": torch.ones(4, 1, 32, 32, dtype=torch.bool)}, generator=seeded(0))


def test_a_sample_that_has_nothing_is_refused(method, batch):
    batch["available"] = torch.tensor([[True] * 3] * 3 + [[False] * 3])
    with pytest.raises(ValueError, match="a sample has only 0 tokens of modalities"):
        method(batch, generator=seeded(0))


def test_uncertainty_weighs_every_output_and_is_learned(batch, mask):
    plain, weighted = tiny(), tiny(uncertainty=True)
    missing = weighted.load_state_dict(plain.state_dict(), strict=False).missing_keys
    assert missing == [f"log_variance.{name}" for name in sorted(ALL)]
    before = plain(batch, masks={"modalities": mask}).terms
    assert_close(weighted(batch, masks={"modalities": mask}).terms, before)  # exp(-0) L + 0
    torch.nn.init.constant_(weighted.log_variance["h"], 0.7)
    out = weighted(batch, masks={"modalities": mask})
    assert_close(out.terms["h"], before["h"] * torch.tensor(-0.7).exp() + 0.7)
    out.loss.backward()
    assert all(value.grad for value in weighted.log_variance.values())


def test_the_uncertainty_of_what_no_sample_has_stays_as_it_is(batch):
    method = tiny(uncertainty=True)
    optimiser = torch.optim.AdamW(method.parameters(), lr=1e-2, weight_decay=0)
    for step in range(3):
        out = method({"rgb": batch["rgb"]}, generator=seeded(step))
        optimiser.zero_grad()
        out.loss.backward()
        optimiser.step()
    assert (out.terms["h"], out.terms["e"]) == (0, 0)
    assert (method.log_variance["h"], method.log_variance["e"]) == (0, 0)
    assert method.log_variance["rgb"] != 0


def test_strategy_one_shows_each_position_once(batch):
    mask = tiny(strategy="one").draw_masks(batch, generator=seeded(7))["modalities"]
    seen = (~mask.as_bool()).unflatten(1, (3, 16)).sum(dim=1)
    assert seen.max() == 1
    assert torch.equal(seen.sum(dim=1), torch.full((4,), 14))


def test_pictures_show_what_was_visible_as_it_is(method, batch, mask):
    pictures = method.show(batch, {"modalities": mask})
    assert set(pictures) == {"rgb", "h", "e"}
    seen = visible_of(mask, 0)
    patches = method.modalities.patches["rgb"]
    for picture in (pictures["rgb"].made, pictures["rgb"].by_patch):
        assert_close(patches.patchify(picture)[seen], patches.patchify(batch["rgb"])[seen])
    # Undone normalisation has each hidden patch's true mean, up to what the network predicts of it.
    held = tiny()
    torch.nn.init.zeros_(held.decoders["norm_rgb"].pred.weight)
    shown = patches.patchify(held.show(batch, {"modalities": mask})["rgb"].by_patch)[~seen]
    assert_close(shown.mean(dim=1), patches.patchify(batch["rgb"])[~seen].mean(dim=1), atol=1e-5, rtol=1e-4)


def test_grids_that_are_not_square_work():
    method = tiny(image_size=(32, 48))
    batch = method.example_batch(2, generator=seeded(1))
    out = method(batch, generator=seeded(2))
    assert out.masks["modalities"].num_tokens == 72
    assert method.show(batch, out.masks)["h"].made.shape == (2, 1, 32, 48)


def test_mr_contrasts_are_modalities_like_any_other():
    sizes = {"image_size": 32, "patch_size": 8, "embed_dim": 32, "depth": 2, "num_heads": 4, "num_visible": 12}
    method = he_mmae_mri(**sizes, decoder_dim=16, decoder_depth=1, decoder_heads=2)
    assert list(method.outputs) == list(CONTRASTS) == method.modalities.names == ["t1", "t2", "flair"]
    batch = method.example_batch(3, generator=seeded(1))
    batch["available"] = torch.tensor([[True, True, True], [True, True, False], [False, True, True]])
    out = method(batch, generator=seeded(2))
    assert set(out.terms) == set(CONTRASTS)
    assert out.masks["modalities"].num_visible == 12
    seen = (~out.masks["modalities"].as_bool()).unflatten(1, (3, 16))
    assert not seen[~batch["available"]].any()
    assert seen.sum(dim=1).max() == 1  # each position in one contrast at most
    out.loss.backward()
    assert method.encoder.patches.channels == 1


def test_a_stack_of_contrasts_as_the_data_sets_give_it_is_enough():
    """``{"image": (B, C, H, W), "available": (B, C)}``, missing contrasts 0: medmae.data.volumes.stacks."""
    sizes = {"image_size": 32, "patch_size": 8, "embed_dim": 32, "depth": 1, "num_heads": 4, "num_visible": 12}
    method = he_mmae_mri(**sizes, decoder_dim=16, decoder_depth=1, decoder_heads=2)
    named = method.example_batch(2, generator=seeded(1))
    available = torch.tensor([[True, True, False], [True, True, True]])
    stack = {"image": torch.cat(list(named.values()), dim=1), "available": available, "index": torch.arange(2)}
    stack["image"][0, 2] = 0
    out = method(stack, generator=seeded(2))
    assert torch.equal(out.loss, method({**named, "available": available}, generator=seeded(2)).loss)


def test_a_volume_of_contrasts_is_rebuilt_too():
    sizes = {"image_size": (8, 16, 16), "patch_size": 8, "embed_dim": 24, "depth": 1, "num_heads": 2, "num_visible": 3}
    method = he_mmae_mri(**sizes, decoder_dim=12, decoder_depth=1, decoder_heads=2)
    batch = method.example_batch(2, generator=seeded(1))
    out = method(batch, generator=seeded(2))
    assert method.show(batch, out.masks)["flair"].made.shape == (2, 1, 8, 16, 16)


def test_the_encoder_alone_takes_rgb_and_gives_all_patches_and_the_global_token(method, batch):
    encoder = method.encoder.eval()
    tokens = encoder(batch["rgb"])
    assert tokens.shape == (4, 17, 32)
    features = FeatureMap(encoder=encoder)(batch["rgb"])
    assert_close(features.flatten(2).transpose(1, 2), tokens[:, :16])
    logits = Classifier(encoder=encoder, num_classes=8, pool="class_token")(batch["rgb"])
    assert logits.shape == (4, 8)


def test_the_encoder_s_weights_fit_a_vit_built_from_a_recipe(method, batch):
    plain = MaskedViT(
        image_size=32,
        patch_size=8,
        embed_dim=32,
        depth=2,
        num_heads=4,
        class_token="last",
        positions=SinCos("first_first"),
        last_norm=False,
    )
    plain.load_state_dict(method.encoder.state_dict())
    assert torch.equal(plain(batch["rgb"]), method.encoder(batch["rgb"]))


def test_layer_decay_takes_projection_and_global_token_for_layer_0_and_the_norm_for_the_head(method):
    classifier = Classifier(encoder=method.encoder, num_classes=8, pool="class_token")
    groups = layer_decay_groups(classifier, method.encoder.layers(), layer_decay=0.65, weight_decay=0.05)
    scales = {name: group["lr_scale"] for group in groups for name in group["names"]}
    for name in ("encoder.cls_token", "encoder.patch_embed.proj.weight"):
        assert scales[name] == pytest.approx(0.65**3)
    assert scales["encoder.blocks.1.attn.qkv.weight"] == pytest.approx(0.65)
    assert scales["fc_norm.weight"] == scales["head.weight"] == 1.0


def test_baseline_rgb_hides_half_of_its_tokens():
    sizes = {"image_size": 32, "patch_size": 8, "embed_dim": 32, "depth": 1, "num_heads": 4, "num_visible": 8}
    method = he_mmae_rgb(**sizes, decoder_dim=16, decoder_heads=2)
    out = method(method.example_batch(2, generator=seeded(1)), generator=seeded(2))
    assert (out.masks["modalities"].num_visible, out.masks["modalities"].num_masked, list(out.terms)) == (8, 8, ["rgb"])


def test_a_reference_checkpoint_file_loads_with_its_training_arguments(tmp_path):
    sizes = {"image_size": 32, "patch_size": 16, "embed_dim": 24, "depth": 1, "num_heads": 2, "num_visible": 3}
    source, method = (he_mmae_small(**sizes, decoder_dim=16, decoder_depth=1, decoder_heads=2) for _ in range(2))
    theirs = published(source.state_dict(), grid=(2, 2), patch=16)
    assert theirs["input_adapters.him.pos_emb"].shape == (1, 24, 2, 2)
    file = {"model": theirs, "epoch": 3, "args": argparse.Namespace(lr=1e-4)}
    torch.save(file, tmp_path / "checkpoint-3.pth")
    report = load_weights(method, tmp_path / "checkpoint-3.pth", key_map=HE_MMAE)
    assert report.fits
    for key, value in source.state_dict().items():
        assert torch.equal(method.state_dict()[key], value), key


def published(state, *, grid, patch):
    """Our state in the published layout, written down by hand: what the key map undoes."""
    names, renamed = {"h": "him", "e": "eim"}, {}
    for key, value in state.items():
        parts = [names.get(part, part) for part in key.split(".")]
        if parts[-1] == "pos_embed":
            parts[-1], value = "pos_emb", value.transpose(1, 2).unflatten(2, grid)
        if parts[0] == "adapters":
            parts[0] = "input_adapters"
        elif parts[0] == "decoders":
            swap = {"embed": "proj_context", "attn": "decoder", "pred": "out_proj", "modality_embed": "task_embeddings"}
            if parts[2] == "pred":
                value = value.unflatten(0, (patch * patch, -1)).transpose(0, 1).flatten(0, 1)  # (p, c) -> (c, p)
            parts = [
                "output_adapters",
                parts[1],
                {**swap, "blocks": "decoder_transformer"}.get(parts[2], parts[2]),
                *parts[3:],
            ]
        elif parts[1] == "blocks":
            parts = ["encoder", *parts[2:]]
        else:
            parts = ["global_tokens"] if parts[1] == "cls_token" else ["input_adapters", "rgb", *parts[1:]]
            parts = [part for part in parts if part != "patch_embed"]
        renamed[".".join(parts)] = value
    return renamed
