"""SAIM: its published sizes, what its specification promises, and the traps that it names."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch.testing import assert_close

from medmae.masking.base import gather_tokens
from medmae.methods.mae import mae_base
from medmae.methods.saim import saim_base, saim_tiny
from medmae.nn.heads import Classifier
from medmae.objectives.smoothing import GaussianSmoothing
from medmae.training.measure import count_flops

# options: total; the frozen table is 151,296 of it
PUBLISHED = [
    ({}, 175_575_552),
    ({"query_depth": 6}, 133_048_320),
    ({"query_depth": 4}, 118_872_576),
    ({"query_depth": 3}, 111_784_704),
    ({"query_depth": 2}, 104_696_832),
    ({"query_depth": 1}, 97_608_960),
    ({"share_weights": True}, 90_521_088),
    ({"head": "linear"}, 171_443_712),
]


def count(module, *, trainable=False):
    return sum(p.numel() for p in module.parameters() if p.requires_grad or not trainable)


def seeded(seed):
    return torch.Generator().manual_seed(seed)


def stirred(**options):
    """A tiny method whose outputs depend visibly on all that they may depend on."""
    torch.manual_seed(0)
    method = saim_tiny(**options)
    for parameter in method.parameters():
        if parameter.requires_grad:
            parameter.data.add_(torch.randn_like(parameter), alpha=0.1)
    return method


@pytest.fixture
def method():
    return stirred()


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


def inputs_and_outputs(method, batch, mask):
    """What entered and left each block of both streams: lists of (query or content, source, output)."""
    seen = {"content": [], "query": []}

    def watch(name):
        return lambda _, args, kwargs, output: seen[name].append((args[0], kwargs.get("source"), output))

    streams = (("content", method.encoder.blocks), ("query", method.query_blocks))
    hooks = [b.register_forward_hook(watch(name), with_kwargs=True) for name, blocks in streams for b in blocks]
    method(batch, masks=None if mask is None else {"image": mask})
    for hook in hooks:
        hook.remove()
    return seen["content"], seen["query"]


@pytest.mark.parametrize(("options", "total"), PUBLISHED, ids=lambda value: str(value))
def test_parameter_counts_are_the_published_ones(options, total):
    with torch.device("meta"):
        method = saim_base(**options)
    assert (count(method), count(method, trainable=True)) == (total, total - 151_296)
    assert (count(method.encoder), count(method.encoder, trainable=True)) == (85_798_656, 85_647_360)


@pytest.mark.parametrize("pool", ["class_token", "mean"])
def test_the_classifier_has_the_published_count(pool):
    with torch.device("meta"):
        assert count(Classifier(encoder=saim_base().encoder, num_classes=1000, pool=pool)) == 86_567_656


def test_the_position_table_is_mae_s():
    sizes = {"image_size": (32, 48), "embed_dim": 64, "num_heads": 4}
    theirs = mae_base(**sizes, depth=1, decoder_dim=32, decoder_depth=1).encoder.pos_embed
    assert torch.equal(saim_tiny(**sizes, patch_size=16).encoder.pos_embed, theirs)


def test_base_runs_both_streams_on_as_many_tokens_as_there_are_patches():
    with torch.device("meta"):
        method, image = saim_base(), torch.empty(2, 3, 224, 224)
    content, query = inputs_and_outputs(method, {"image": image}, None)
    shapes = {tuple(tensor.shape) for row in content + query for tensor in row if tensor is not None}
    assert (len(content), len(query), shapes) == (12, 12, {(2, 196, 768)})


def test_a_step_costs_what_the_page_says():
    with torch.device("meta"):
        batch = {"image": torch.empty(1, 3, 224, 224)}
        mae, saim = count_flops(mae_base(), batch), count_flops(saim_base(), batch)
    assert saim / mae == pytest.approx(3.75, abs=0.005)


@pytest.mark.parametrize("rank", [0, 1, 7, 14])
def test_a_patch_leaves_its_own_and_earlier_predictions_exactly_and_changes_every_later_one(method, batch, mask, rank):
    before = method.predict(batch, mask)  # (B, N, P), in the order of prediction
    after = method.predict(tampered(method, batch, mask.order[:, rank : rank + 1]), mask)
    assert torch.equal(after[:, : rank + 1], before[:, : rank + 1])
    assert (after - before)[:, rank + 1 :].abs().amax(dim=2).min() > 1e-6


def test_the_last_patch_changes_no_prediction_and_the_first_is_predicted_from_its_place_alone(method, batch, mask):
    before = method.predict(batch, mask)
    assert torch.equal(method.predict(tampered(method, batch, mask.order[:, -1:]), mask), before)
    assert torch.equal(method.predict(tampered(method, batch, mask.order), mask)[:, 0], before[:, 0])
    assert not torch.allclose(before[0, 0], before[1, 0])  # of other places


def test_orders_belong_to_samples_and_change_predictions(method, batch, mask):
    assert len(mask.order.unique(dim=0)) == 3
    twice = {"image": batch["image"][:1].repeat(3, 1, 1, 1)}
    restored = torch.empty(3, 16, 192)
    restored.scatter_(1, mask.order.unsqueeze(2).expand(3, 16, 192), method.predict(twice, mask).detach())
    assert not torch.allclose(restored[0], restored[1])
    assert torch.equal(method.predict(twice, mask), method.predict(twice, mask))


def test_the_loss_is_a_mean_over_all_patches(batch, mask):
    method = saim_tiny()
    prediction = method.predict(batch, mask)
    target = gather_tokens(method.target(batch["image"]), mask.order)
    assert prediction.shape == target.shape == (3, 16, 192)  # no row of the class token among them
    assert_close(method(batch, masks={"image": mask}).loss, (prediction - target).square().mean())
    method.error = "l1"
    assert_close(method(batch, masks={"image": mask}).loss, (prediction - target).abs().mean())


@pytest.mark.parametrize("token", range(0, 16, 5))
def test_the_error_of_any_patch_counts(batch, mask, token):
    method = saim_tiny(smoothing=None, target_norm=None)
    torch.nn.init.zeros_(method.head.fc2.weight)  # the prediction is held
    loss = method(batch, masks={"image": mask}).loss
    other = tampered(method, batch, torch.full((3, 1), token))
    assert not torch.isclose(method(other, masks={"image": mask}).loss, loss)


def test_queries_start_from_bare_positions(method, batch, mask):
    _, query = inputs_and_outputs(method, batch, mask)
    assert torch.equal(query[0][0], gather_tokens(method.encoder.pos_embed[:, 1:], mask.order))


@pytest.mark.parametrize("query_depth", [4, 2, 1])
def test_queries_read_the_content_after_a_block_that_is_not_normalised_and_the_content_never_reads_them(
    batch, mask, query_depth
):
    method = stirred(query_depth=query_depth)
    content, query = inputs_and_outputs(method, batch, mask)
    step = 4 // query_depth
    assert [source for _, source, _ in content] == [None] * 4
    for index, (_, source, _) in enumerate(query):
        assert source is content[(index + 1) * step - 1][2]


def test_the_last_norm_is_of_the_query_stream_and_the_content_enters_no_head(method, batch, mask, monkeypatch):
    entered = []
    method.encoder.norm.register_forward_hook(lambda _, inputs, output: entered.append((inputs[0], output)))
    method.head.register_forward_pre_hook(lambda _, inputs: entered.append(inputs[0]))
    _, query = inputs_and_outputs(method, batch, mask)
    (normed, output), headed = entered
    assert normed is query[-1][2]
    assert headed is output


def test_without_what_queries_read_of_it_the_encoder_learns_nothing(method, batch, mask):
    for block in method.query_blocks:
        block.register_forward_pre_hook(
            lambda _, args, kwargs: (args, {**kwargs, "source": kwargs["source"].detach()}), with_kwargs=True
        )
    method(batch, masks={"image": mask}).loss.backward()
    assert {key for key, p in method.encoder.named_parameters() if p.grad is not None} == {"norm.weight", "norm.bias"}


def test_the_target_is_smoothed_before_it_is_normalised(method, batch):
    smooth = method.patches.patchify(GaussianSmoothing()(batch["image"]))
    assert torch.equal(method.target(batch["image"]), method.target_norm(smooth, channels=3))
    sharp = saim_tiny(smoothing=None).target(batch["image"])
    assert torch.equal(sharp, method.target_norm(method.patches.patchify(batch["image"]), channels=3))
    assert torch.equal(saim_tiny(target_norm=None).target(batch["image"]), smooth)


def test_queries_keys_and_values_are_initialised_one_by_one():
    method, dim = saim_tiny(), 48
    for blocks in (method.encoder.blocks, method.query_blocks):
        for matrix in blocks[0].attn.qkv.weight.chunk(3):
            assert 0.95 * (6 / (2 * dim)) ** 0.5 < matrix.abs().max() <= (6 / (2 * dim)) ** 0.5


def test_shared_weights_are_held_once_and_read_by_both_streams(batch, mask):
    method = stirred(share_weights=True)
    assert not [key for key in method.state_dict() if "query" in key]
    twin = stirred()
    twin.load_state_dict(method.state_dict(), strict=False)
    twin.query_blocks.load_state_dict(method.encoder.blocks.state_dict())
    assert torch.equal(method.predict(batch, mask), twin.predict(batch, mask))


def test_fewer_shared_queries_run_through_the_encoder_s_first_blocks(batch, mask):
    method = stirred(share_weights=True, query_depth=2)
    twin = stirred(query_depth=2)
    twin.load_state_dict(method.state_dict(), strict=False)
    twin.query_blocks.load_state_dict(method.encoder.blocks[:2].state_dict())
    assert torch.equal(method.predict(batch, mask), twin.predict(batch, mask))


@pytest.mark.parametrize("query_depth", [0, 3, 5])
def test_a_query_depth_that_does_not_divide_the_depth_is_refused_with_those_that_do(query_depth):
    with pytest.raises(ValueError, match=rf"depth of 4, got {query_depth}: choose of \[1, 2, 4\]"):
        saim_tiny(query_depth=query_depth)


@pytest.mark.parametrize("options", [{"head": "conv"}, {"error": "huber"}, {"order": "spiral"}])
def test_a_choice_that_is_not_known_is_refused(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        saim_tiny(**options)


def test_raster_order_is_a_causal_raster_model(batch):
    method = stirred(order="raster")
    mask = method.draw_masks(batch, generator=seeded(2))["image"]
    assert torch.equal(mask.order, torch.arange(16).expand(3, 16))
    rows = torch.arange(16).expand(3, 16)
    before, after = (method.predict(b, mask) for b in (batch, tampered(method, batch, rows[:, 5:6])))
    assert (after - before).abs().amax(dim=(0, 2)).gt(0).tolist() == [False] * 6 + [True] * 10


def test_padding_enters_no_loss_and_is_read_by_nobody(method, batch):
    real = torch.ones(3, 1, 32, 32, dtype=torch.bool)
    real[:, :, 24:] = False  # the last four patches
    mask = method.draw_masks({**batch, "real": real}, generator=seeded(2))["image"]
    padding = torch.arange(12, 16).expand(3, 4)
    assert mask.order.shape == (3, 12)
    method.smoothing = None  # which would draw padding into the targets beside it
    loss = method(batch, masks={"image": mask}).loss
    assert torch.equal(method(tampered(method, batch, padding), masks={"image": mask}).loss, loss)


def test_a_picture_shows_what_visible_patches_say_in_whatever_order_they_were_drawn(method, batch, mask):
    picture = method.show(batch, {"image": mask})["image"].made
    assert torch.equal(method.show(tampered(method, batch, mask.masked), {"image": mask})["image"].made, picture)
    turned = replace(mask, visible=mask.visible.flip(1))
    assert torch.equal(method.show(batch, {"image": turned})["image"].made, picture)
    shown = method.patches.paint(~mask.as_bool()).expand_as(picture)
    assert torch.equal(picture[shown], batch["image"][shown])


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
    method = saim_tiny(**sizes)
    batch = method.example_batch(2)
    out = method(batch)
    out.loss.backward()
    assert method.encoder.patch_embed.proj.weight.grad.isfinite().all()
    assert method.show(batch, out.masks)["image"].made.shape == batch["image"].shape


def test_the_classifier_knows_no_order(method, batch):
    """Attention is open downstream: a patch changes what every other says, and the class token too."""
    encoder = method.encoder
    before = encoder(batch["image"], final_norm=False)
    after = encoder(tampered(method, batch, torch.full((3, 1), 15))["image"], final_norm=False)
    assert (after - before).abs().amax(dim=2).min() > 1e-6


def test_in_training_the_class_token_is_the_same_for_every_image(method, batch, mask):
    content, _ = inputs_and_outputs(method, batch, mask)
    token = content[-1][2][:, 0]
    assert torch.equal(token, token[:1].expand_as(token))
