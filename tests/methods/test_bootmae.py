"""BootMAE: its published sizes, its two targets, its teacher, and what its specification promises."""

from __future__ import annotations

import pytest
import torch
from torch.testing import assert_close

from medmae.masking import Mask
from medmae.methods.bootmae import BootMAE, bootmae_base, bootmae_large, bootmae_tiny
from medmae.nn.heads import Classifier
from medmae.nn.positions import sincos_table
from medmae.objectives.edge import patchwise_weight
from medmae.training.optim import OptimizerSpec
from medmae.training.schedule import WarmupCosine


def count(*modules, trainable=False):
    return sum(p.numel() for module in modules for p in module.parameters() if p.requires_grad or not trainable)


def key_biases(method):
    """Of which the published networks have none."""
    blocks = [*method.pixel_decoder.blocks, *method.feature_decoder.blocks]
    decoders = sum(part.q.out_features for block in blocks for part in (block.attn, block.cross_attn))
    return len(method.encoder.blocks) * method.encoder.dim + decoders


def seeded(seed):
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def method():
    torch.manual_seed(0)
    return bootmae_tiny()


@pytest.fixture
def batch(method):
    return method.example_batch(2, generator=seeded(1))


@pytest.fixture
def mask(method, batch):
    return method.draw_masks(batch, generator=seeded(2))["image"]


def injected(decoder, run):
    """What the blocks of a decoder are handed."""
    seen = []
    for block in decoder.blocks:
        block.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[1]))
    run()
    return seen


PUBLISHED = {
    "base": (bootmae_base, 115_625_411, 115_373_251, 85_789_440, 9_748_931, 20_087_040),
    "large": (bootmae_large, 349_451_779, 349_149_187, 303_277_056, 10_479_107, 35_695_616),
}


@pytest.mark.parametrize("size", PUBLISHED)
def test_parameter_counts_are_the_published_ones_and_biases_of_keys(size):
    preset, total, trainable, encoder, pixel, feature = PUBLISHED[size]
    with torch.device("meta"):
        method = preset()
    extra, width, depth = key_biases(method), method.encoder.dim, len(method.encoder.blocks)
    assert count(method) - count(method.teacher) - extra == total
    assert count(method, trainable=True) - extra == trainable
    assert count(method.encoder) - depth * width == encoder
    inner = sum(block.attn.q.out_features * 2 for block in method.pixel_decoder.blocks)
    table = method.pixel_pos_embed.numel()
    assert count(method.pixel_decoder, method.pixel_head) + table - inner == pixel
    assert count(method.feature_decoder, method.feature_head) - 4 * width == feature


@pytest.mark.parametrize(
    ("preset", "total", "trainable"),
    [(bootmae_base, 86_558_440, 86_407_144), (bootmae_large, 304_302_056, 304_100_328)],
)
def test_classifiers_have_the_published_numbers_of_parameters(preset, total, trainable):
    with torch.device("meta"):
        encoder = preset(feature_weight=0).encoder
        classifier = Classifier(encoder=encoder, num_classes=1000)
    extra = len(encoder.blocks) * encoder.dim
    assert count(classifier) - extra == total
    assert count(classifier, trainable=True) - extra == trainable


def test_147_of_196_patches_are_hidden_120_of_them_in_blocks_but_for_a_shift():
    with torch.device("meta"):
        masking = bootmae_base(depth=1).masking
    published = {"num_marked": 120, "min_block": 16, "max_block": 60, "max_shift": 3}
    assert {name: getattr(masking, name) for name in published} == published
    assert masking.sample(3, generator=seeded(0)).masked.shape == (3, 147)


def test_the_position_tables_are_the_transpose_of_mae_s():
    method = bootmae_tiny(image_size=(24, 40))
    for table, dim in ((method.encoder.pos_embed, 48), (method.pixel_pos_embed, 32)):
        assert not table[:, 0].any()
        transposed = sincos_table(grid=(5, 3), dim=dim)[0].view(5, 3, dim).transpose(0, 1)
        assert_close(table[0, 1:].view(3, 5, dim), transposed)


def test_the_teacher_is_a_frozen_copy_of_the_encoder_alone(method):
    assert method.teacher.network.state_dict().keys() == method.encoder.state_dict().keys()
    assert not any(p.requires_grad for p in method.teacher.parameters())


def test_the_teacher_changes_only_when_it_is_updated(method, batch):
    rows = method.patches.patchify(batch["image"])
    before = method.teacher_features(rows)
    optimiser = torch.optim.SGD([p for p in method.parameters() if p.requires_grad], lr=0.1)
    method(batch, generator=seeded(0)).loss.backward()
    optimiser.step()
    assert torch.equal(method.teacher_features(rows), before)
    method.update_teacher(progress=0.0)
    assert not torch.equal(method.teacher_features(rows), before)
    assert all(p.grad is None for p in method.teacher.parameters())


@pytest.mark.parametrize("progress", [0.0, 0.05, 0.3, 1.0])
def test_an_update_keeps_the_momentum_of_its_epoch(method, progress):
    old, momentum = method.teacher.network.norm.weight.clone(), method.momentum_at(progress)
    with torch.no_grad():
        method.encoder.norm.weight.add_(1.0)
    method.update_teacher(progress=progress)
    assert_close(method.teacher.network.norm.weight.data, old + (1 - momentum), atol=1e-7, rtol=1e-6)


def test_the_teacher_sees_what_is_hidden_and_the_student_does_not(method, batch, mask):
    rows = method.patches.patchify(batch["image"])
    other = torch.where(mask.as_bool().unsqueeze(2), torch.rand(rows.shape, generator=seeded(9)), rows)
    before, after = (method.encoder.forward_patches(given, mask.visible) for given in (rows, other))
    assert torch.equal(before, after)
    assert not torch.allclose(method.teacher_features(rows), method.teacher_features(other), atol=1e-4)


def test_teacher_features_are_its_last_block_before_any_norm(method, batch):
    rows = method.patches.patchify(batch["image"])
    stages = method.teacher.network.forward_intermediates(rows)
    assert_close(method.teacher_features(rows), stages[-2][:, 1:])


def test_pixels_read_the_first_block_and_features_the_last_before_the_norm(method, batch, mask):
    rows = method.patches.patchify(batch["image"])
    stages = method.encoder.forward_intermediates(rows, mask.visible)
    for decoder, stage in ((method.pixel_decoder, 1), (method.feature_decoder, 3)):
        seen = injected(decoder, lambda: method(batch, masks={"image": mask}))
        assert len(seen) == 2
        assert all(torch.equal(source, stages[stage]) for source in seen)


@pytest.mark.parametrize(("tap", "stage"), [(2, 3), (-2, 2)])
def test_another_block_can_be_tapped(batch, mask, tap, stage):
    method = bootmae_tiny(pixel_tap=tap)
    stages = method.encoder.forward_intermediates(method.patches.patchify(batch["image"]), mask.visible)
    seen = injected(method.pixel_decoder, lambda: method(batch, masks={"image": mask}))
    assert torch.equal(seen[0], stages[stage])


@pytest.mark.parametrize("tap", [3, -4])
@pytest.mark.parametrize("name", ["pixel_tap", "feature_tap"])
def test_a_tap_that_is_no_block_is_refused(tap, name):
    with pytest.raises(ValueError, match=f"a tap must be one of the 3 blocks, -3 to 2, got {tap}"):
        bootmae_tiny(**{name: tap})


def test_without_taps_nothing_is_injected(batch):
    method = bootmae_tiny(pixel_tap=None, feature_tap=None)
    assert not [name for name, _ in method.named_parameters() if "cross_attn" in name]
    assert method(batch, generator=seeded(0)).loss.isfinite()


def test_without_a_feature_loss_there_is_neither_teacher_nor_feature_branch(batch):
    method = bootmae_tiny(feature_weight=0.0)
    assert not [name for name, _ in method.named_parameters() if "teacher" in name or "feature" in name]
    output = method(batch, generator=seeded(0))
    assert output.terms.keys() == output.prediction.keys() == {"image"}
    method.update_teacher(progress=0.5)


def test_targets_of_visible_patches_are_in_no_loss(method, batch, mask, monkeypatch):
    straight = method(batch, masks={"image": mask})
    features = method.teacher_features(method.patches.patchify(batch["image"]))
    visible = ~mask.as_bool().unsqueeze(2)
    monkeypatch.setattr(method, "teacher_features", lambda rows: features + 100 * visible * features.sin())
    assert_close(method(batch, masks={"image": mask}).loss, straight.loss)
    monkeypatch.setattr(method, "teacher_features", lambda rows: features + 100 * ~visible * features.sin())
    assert not torch.isclose(method(batch, masks={"image": mask}).loss, straight.loss)


def test_the_pixel_loss_is_that_of_hidden_patches_normalised_channel_by_channel(method, batch, mask):
    output = method(batch, masks={"image": mask})
    pixels = mask.hidden(method.patches.patchify(batch["image"])).unflatten(2, (64, 3))
    wanted = (pixels - pixels.mean(dim=2, keepdim=True)) / (pixels.var(dim=2, correction=0, keepdim=True) + 1e-5).sqrt()
    error = (output.prediction["image"] - wanted.flatten(2)).square().mean(dim=2)
    weight = patchwise_weight(mask, grid=(4, 4))
    assert_close(output.terms["image"], (weight * error).mean())


def test_a_lone_hidden_patch_weighs_10_9_and_one_within_a_block_2(mask):
    table = torch.zeros(1, 8, 8, dtype=torch.bool)
    table[0, 1, 1], table[0, 4:7, 4:7] = True, True
    hidden = Mask.from_bool(table.flatten(1))
    weight = torch.zeros(1, 64).scatter(1, hidden.masked, patchwise_weight(hidden, grid=(8, 8))).view(8, 8)
    assert weight[1, 1].item() == pytest.approx(10 / 9)
    assert weight[5, 5].item() == pytest.approx(2)
    assert weight[0, 0].item() == 0


def test_without_centre_weights_all_hidden_patches_count_alike(method, batch, mask):
    plain = bootmae_tiny(centre_weighted=False)
    plain.load_state_dict(method.state_dict())
    output = plain(batch, masks={"image": mask})
    target = plain.target(mask.hidden(plain.patches.patchify(batch["image"])))
    assert_close(output.terms["image"], (output.prediction["image"] - target).square().mean())
    weighted = method(batch, masks={"image": mask}).terms
    assert all(output.terms[name] < weighted[name] for name in ("image", "feature"))


def test_the_weight_of_the_feature_loss_grows_in_the_first_quarter(method, batch, mask):
    terms = [method(batch, masks={"image": mask}, progress=share).terms for share in (0.0, 0.125, 0.25, 1.0)]
    assert len({term["image"].item() for term in terms}) == 1
    shares = [term["feature"].item() / terms[-1]["feature"].item() for term in terms]
    assert shares == pytest.approx([4 / 801, 404 / 801, 1, 1], rel=1e-4)
    half = bootmae_tiny(feature_weight=0.5)
    assert half.feature_weight_at(1.0) == 0.5


def test_with_epochs_of_one_s_own_the_ramps_are_counted_in_them():
    method = bootmae_tiny(epochs=200)
    assert method.momentum_at(0.25) == pytest.approx(0.99945)  # epoch 50 of the first 100
    assert method.momentum_at(1.0) == pytest.approx(0.9999 + 99 / 300 * 0.00009)  # of the last epoch, 199
    assert method.feature_weight_at(0.0) == pytest.approx(4 / 200)


def test_the_first_rate_is_0_and_the_last_1e_4_whatever_the_batch():
    schedule = WarmupCosine(warmup_epochs=40, min_lr=1e-4)
    for batch_size in (2048, 4096):
        peak = OptimizerSpec(base_lr=1.5e-4).peak_lr(batch_size=batch_size)
        assert schedule.value(0, peak=peak, epochs=801) == 0
        assert schedule.value(801, peak=peak, epochs=801) == pytest.approx(1e-4)


def test_initial_weights_are_the_published_rule():
    torch.manual_seed(0)
    encoder = BootMAE(image_size=32, depth=1, embed_dim=192, num_heads=3, decoder_dim=96).encoder
    assert not encoder.patch_embed.proj.bias.any()
    assert encoder.cls_token.abs().max() < 1e-5
    for matrix in encoder.blocks[0].attn.qkv.weight.chunk(3):
        assert matrix.abs().max().item() == pytest.approx((6 / 384) ** 0.5, rel=0.01)
    bound = (6 / (3 * 256 + 192)) ** 0.5
    assert encoder.patch_embed.proj.weight.abs().max().item() == pytest.approx(bound, rel=0.01)


@pytest.mark.parametrize(
    ("size", "channels"),
    [((24, 40), 1), ((16, 16, 24), 2), (64, 5), ((64,), 1)],
    ids=["strip", "volume", "5", "signal"],
)
def test_other_sizes_channels_and_axes_learn_and_are_painted(size, channels):
    torch.manual_seed(0)
    method = bootmae_tiny(image_size=size, in_channels=channels)
    batch = method.example_batch(2, generator=seeded(1))
    output = method(batch, generator=seeded(0))
    output.loss.backward()
    assert output.loss.isfinite()
    assert all(p.grad is not None for p in method.parameters() if p.requires_grad)
    assert method.show(batch, output.masks)["image"].made.shape == batch["image"].shape


def test_pictures_have_the_mean_and_deviation_of_each_patch_put_back(method, batch, mask):
    torch.nn.init.zeros_(method.pixel_head.weight)
    torch.nn.init.zeros_(method.pixel_head.bias)
    rows = method.patches.patchify(batch["image"]).unflatten(2, (64, 3))
    painted = method.patches.patchify(method.show(batch, {"image": mask})["image"].by_patch).unflatten(2, (64, 3))
    expected = torch.where(mask.as_bool().view(2, 16, 1, 1), rows.mean(dim=2, keepdim=True), rows)
    assert_close(painted, expected)


def test_raw_pixels_can_be_regressed(batch, mask):
    method = bootmae_tiny(target_norm=None)
    rows = method.patches.patchify(batch["image"])
    assert method.target(rows) is rows
    predicted = mask.hidden(method.patches.patchify(method.show(batch, {"image": mask})["image"].made))
    assert_close(predicted, method(batch, masks={"image": mask}).prediction["image"], atol=1e-5, rtol=1e-4)


def test_both_losses_fall_within_a_few_steps(method, batch, mask):
    optimiser = torch.optim.AdamW([p for p in method.parameters() if p.requires_grad], lr=3e-3)
    history = []
    for _ in range(30):
        output = method(batch, masks={"image": mask})
        optimiser.zero_grad()
        output.loss.backward()
        optimiser.step()
        method.update_teacher(progress=1.0)
        history.append(output.terms)
    assert all(history[-1][name] < 0.9 * history[0][name] for name in ("image", "feature"))
