"""VideoMAE: sizes of the paper, what is hidden and what is asked, clips of any kind, and fine-tuning."""

from __future__ import annotations

import pytest
import torch
from torch.testing import assert_close

from medmae.masking import Mask
from medmae.methods.classification import Classification
from medmae.methods.registry import create
from medmae.methods.videomae import videomae_tiny
from medmae.nn.heads import Classifier
from medmae.objectives.cube import CubeNorm
from medmae.training.optim import OptimizerSpec
from medmae.weights.export.videomae import videomae_classifier_state
from medmae.weights.io import import_state
from medmae.weights.maps.videomae import VIDEOMAE, VIDEOMAE_CLASSIFIER

# Whole pre-training network, its encoder and decoder (with the head), classifiers of Kinetics-400 and of SSv2.
PUBLISHED = {
    "small": (24_029_376, 21_879_936, 2_075_520, 22_033_936, 21_946_926),
    "base": (94_210_944, 86_227_200, 7_688_448, 86_534_800, 86_361_006),
    "large": (342_996_992, 303_860_736, 38_611_456, 304_270_736, 304_039_086),
    "huge": (692_487_296, 631_607_040, 60_060_416, 632_119_440, 631_829_934),
}
ENTRIES = {"small": 218, "base": 218, "large": 478, "huge": 582}
CLASSIFIER_ENTRIES = {"small": 162, "base": 162, "large": 318, "huge": 422}


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def count(module):
    return sum(parameter.numel() for parameter in module.parameters())


def on_meta(preset, **options):
    with torch.device("meta"):
        return create("videomae", preset=preset, **options)


@pytest.fixture
def method():
    torch.manual_seed(0)
    return videomae_tiny()


@pytest.fixture
def batch(method):
    return method.example_batch(2, generator=seeded(1))


@pytest.fixture
def mask(method, batch):
    return method.draw_masks(batch, generator=seeded(2))["image"]


def with_cubes(method, batch, which, change):
    """The batch with ``change`` done to the cubes that are True in ``which`` ``(B, N)``."""
    rows = method.patches.patchify(batch["image"])
    return {"image": method.patches.unpatchify(torch.where(which.unsqueeze(2), change(rows), rows))}


# ---------------------------------------------------------------------------------------------------------------- sizes
@pytest.mark.parametrize("preset", PUBLISHED)
def test_every_part_has_as_many_parameters_as_published(preset):
    whole, encoder, decoder, *_ = PUBLISHED[preset]
    method = on_meta(preset)
    assert count(method) == whole
    assert count(method.encoder) == encoder
    apart = count(method.decoder.embed) + method.decoder.mask_token.numel()
    assert count(method.decoder) + count(method.head) - apart == decoder
    assert len(VIDEOMAE.write(method.state_dict())) == ENTRIES[preset]


@pytest.mark.parametrize("preset", PUBLISHED)
def test_fine_tuned_classifiers_have_as_many_parameters_as_published(preset):
    for num_classes, wanted in zip((400, 174), PUBLISHED[preset][3:], strict=True):
        classifier = Classifier(encoder=on_meta(preset).encoder, num_classes=num_classes)
        assert count(classifier) == wanted
        assert len(videomae_classifier_state(classifier)) == CLASSIFIER_ENTRIES[preset]
    if preset == "base":
        assert count(Classifier(encoder=on_meta(preset).encoder, num_classes=101)) == 86_304_869


def test_a_clip_of_16_frames_of_224_pixels_is_1568_tokens_of_which_160_are_seen():
    method = on_meta("base")
    assert method.patches.num_tokens == 1568
    mask = method.masking.sample(2, generator=seeded())
    assert (mask.num_visible, mask.num_masked) == (160, 1408)


@pytest.mark.parametrize(
    ("options", "shape"),
    [
        ({"in_channels": 1}, (1, 4, 32, 32)),
        ({"num_frames": 6, "tubelet_size": 3}, (3, 6, 32, 32)),
        ({"num_frames": 5, "tubelet_size": 1, "image_size": (16, 48), "patch_size": (8, 16)}, (3, 5, 16, 48)),
    ],
    ids=str,
)
def test_any_frames_size_cube_and_channels_work(options, shape):
    method = videomae_tiny(**{"mask_ratio": 0.5, **options})
    batch = method.example_batch(2, generator=seeded())
    assert batch["image"].shape == (2, *shape)
    assert method(batch, generator=seeded()).loss.isfinite()
    assert method.encoder.kinds["image"].roles == ("time", "row", "column")


def test_cubes_that_do_not_tile_a_clip_are_refused():
    with pytest.raises(ValueError, match=r"size \(5, 32, 32\) is not a multiple of the patch \(2, 8, 8\)"):
        videomae_tiny(num_frames=5)


def test_a_misspelt_masking_is_refused_with_the_choices():
    with pytest.raises(ValueError, match="masking must be 'tube' or 'random', got 'tubes'"):
        videomae_tiny(masking="tubes")


def test_positions_of_the_encoder_can_be_learned(batch):
    method = videomae_tiny(positions="learned")
    method(batch, generator=seeded()).loss.backward()
    assert method.encoder.pos_embed.shape == (1, 32, 48)
    assert float(method.encoder.pos_embed.detach().std()) == pytest.approx(0.02, rel=0.2)
    assert method.encoder.pos_embed.grad.abs().sum() > 0
    assert not method.decoder.pos_embed.requires_grad
    assert "encoder.pos_embed" in method.state_dict()
    with pytest.raises(ValueError, match="positions must be 'sinusoid' or 'learned'"):
        videomae_tiny(positions="axes")


# --------------------------------------------------------------------------------------------- what is hidden and asked
def test_random_masking_hides_cubes_one_by_one_and_truncates_what_is_hidden():
    method = videomae_tiny(masking="random", mask_ratio=0.9)
    table = method.draw_masks(method.example_batch(2), generator=seeded())["image"].as_bool()
    assert table.sum(dim=1).tolist() == [28, 28]  # of 32
    assert not torch.equal(table.reshape(2, 2, 16)[:, 0], table.reshape(2, 2, 16)[:, 1])


def test_pixels_of_hidden_cubes_do_not_influence_predictions(method, batch, mask):
    other = with_cubes(method, batch, mask.as_bool(), torch.rand_like)
    before, after = (method(each, masks={"image": mask}).prediction["image"] for each in (batch, other))
    assert_close(after, before, atol=1e-6, rtol=0)


def test_the_loss_is_over_hidden_cubes_alone(method, batch, mask):
    for parameter in method.head.pred.parameters():  # the prediction is held
        torch.nn.init.zeros_(parameter)
    loss = method(batch, masks={"image": mask}).loss
    seen = with_cubes(method, batch, ~mask.as_bool(), torch.rand_like)
    hidden = with_cubes(method, batch, mask.as_bool(), lambda rows: rows.square())
    assert torch.equal(method(seen, masks={"image": mask}).loss, loss)
    assert not torch.equal(method(hidden, masks={"image": mask}).loss, loss)


def test_a_target_has_mean_0_and_deviation_1_in_each_cube_and_channel(method, batch):
    target = method.target(method.patches.patchify(batch["image"])).unflatten(2, (-1, 3))  # (B, N, 128, 3)
    assert_close(target.mean(dim=2), torch.zeros(2, 32, 3), atol=1e-5, rtol=0)
    assert_close(target.std(dim=2), torch.ones(2, 32, 3), atol=1e-4, rtol=0)


def test_a_channel_that_is_twice_as_bright_has_the_same_target(method, batch):
    bright = {"image": batch["image"] * torch.tensor([1.0, 2.0, 1.0]).reshape(1, 3, 1, 1, 1)}
    ours, theirs = (method.target(method.patches.patchify(each["image"])) for each in (batch, bright))
    assert_close(ours, theirs, atol=1e-4, rtol=1e-4)


def test_the_input_s_scale_cancels_in_the_target(batch):
    torch.manual_seed(0)
    method, mask = videomae_tiny(scale="imagenet"), Mask.from_bool(torch.arange(32).expand(2, 32) % 4 > 0)
    plain = videomae_tiny()
    plain.load_state_dict(method.state_dict())
    for network in (method, plain):
        torch.nn.init.zeros_(network.head.pred.weight)
    assert_close(method(batch, masks={"image": mask}).loss, plain(batch, masks={"image": mask}).loss)


def test_the_loss_at_the_start_is_that_of_knowing_nothing(method):
    batch = method.example_batch(8, generator=seeded(3))
    out = method(batch, generator=seeded())
    variance = out.prediction["image"].var()
    assert float(out.loss.detach()) == pytest.approx(1 + float(variance.detach()), rel=0.1)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_a_black_clip_has_a_finite_loss(method, mask, dtype):
    batch = {"image": torch.zeros(2, 3, 4, 32, 32, dtype=dtype)}
    out = method.to(dtype)(batch, masks={"image": mask})
    assert out.loss.isfinite()
    assert not method.target(method.patches.patchify(batch["image"])).any()


def test_the_noise_of_what_is_constant_can_be_kept_small(method):
    noise = method.example_batch(1, generator=seeded())["image"] / 255
    rows = method.patches.patchify(noise)
    blown = method.target(rows).std()
    spared = videomae_tiny(target_norm=CubeNorm(min_std=0.02)).target(rows).std()
    assert float(blown) == pytest.approx(1, rel=0.01)
    assert float(spared) < 0.1


# ---------------------------------------------------------------------------------------------------------- for the eye
def test_pictures_know_nothing_of_what_was_hidden(method, batch, mask):
    other = with_cubes(method, batch, mask.as_bool(), lambda rows: 0.1 * torch.rand_like(rows))
    before, after = (
        method.patches.patchify(method.show(each, {"image": mask})["image"].made) for each in (batch, other)
    )
    assert_close(mask.hidden(after), mask.hidden(before), atol=1e-5, rtol=0)


def test_pictures_have_the_brightness_of_what_is_visible(method, mask):
    """A ramp from black to white: an untrained network paints every hidden cube as bright as its neighbours."""
    ramp = torch.linspace(0, 1, 32).expand(2, 3, 4, 32, 32).contiguous()
    for parameter in method.head.pred.parameters():
        torch.nn.init.zeros_(parameter)
    table = torch.ones(4, 4, dtype=torch.bool)
    table[1], table[3] = False, False  # every second row of cubes is seen
    tubes = Mask.from_bool(table.expand(2, 2, 4, 4).reshape(2, 32))
    picture = method.show({"image": ramp}, {"image": tubes})["image"].made
    cubes = method.patches.patchify(picture).mean(dim=2).reshape(2, 2, 4, 4)
    wanted = method.patches.patchify(ramp).mean(dim=2).reshape(2, 2, 4, 4)
    assert_close(cubes, wanted, atol=0.15, rtol=0)


def test_raw_pictures_are_what_was_predicted(batch, mask):
    method = videomae_tiny(target_norm=None)
    picture = method.patches.patchify(method.show(batch, {"image": mask})["image"].made)
    assert_close(mask.hidden(picture), method(batch, masks={"image": mask}).prediction["image"])


# ---------------------------------------------------------------------------------------------------------- fine-tuning
def test_gradients_reach_biases_of_queries_and_values_and_keys_have_none(method, batch):
    method(batch, generator=seeded()).loss.backward()
    for block in (*method.encoder.blocks, *method.decoder.blocks):
        assert [name for name, _ in block.attn.qkv.named_parameters()] == ["weight", "q_bias", "v_bias"]
        assert block.attn.qkv.q_bias.grad.any()
        assert block.attn.qkv.v_bias.grad.any()
    assert method.decoder.embed.bias is None


def test_an_encoder_fills_a_classifier_but_for_its_norm_and_head(method):
    theirs = VIDEOMAE.write(method.state_dict())
    stripped = {key.removeprefix("encoder."): v for key, v in theirs.items() if key.startswith("encoder.")}
    classifier = Classifier(encoder=videomae_tiny().encoder, num_classes=3)
    report = import_state(classifier, stripped, key_map=VIDEOMAE_CLASSIFIER, strict=False)
    assert report.missing == ["fc_norm.bias", "fc_norm.weight", "head.bias", "head.weight"]
    assert report.unexpected == ["encoder.norm.bias", "encoder.norm.weight"]  # unused
    assert torch.equal(classifier.encoder.blocks[0].attn.qkv.weight, method.encoder.blocks[0].attn.qkv.weight)


def test_a_classifier_pools_all_tokens_begins_near_zero_and_can_drop(batch):
    classifier = Classifier(encoder=videomae_tiny().encoder, num_classes=3, dropout=0.5).eval()
    tokens = classifier.encoder(batch["image"])  # (B, 32, D), not normalised
    assert_close(classifier.features(batch["image"]), classifier.fc_norm(tokens.mean(dim=1)))
    assert float(classifier(batch["image"]).detach().abs().max()) < 0.01
    assert classifier.dropout.p == 0.5


def test_rates_fall_from_the_head_to_the_cubes():
    encoder = videomae_tiny(depth=12).encoder
    classifier = Classifier(encoder=encoder, num_classes=3)
    spec = OptimizerSpec(base_lr=1.0, scale_by_batch=False, layer_decay=0.75)
    optimizer = spec.build(Classification(network=classifier), batch_size=1)
    rates = {id(p): group["lr"] for group in optimizer.param_groups for p in group["params"]}
    assert rates[id(encoder.patch_embed.proj.weight)] == pytest.approx(0.75**13)
    assert rates[id(encoder.blocks[0].attn.qkv.q_bias)] == pytest.approx(0.75**12)
    assert rates[id(encoder.blocks[11].mlp.fc1.weight)] == pytest.approx(0.75)
    assert rates[id(classifier.fc_norm.weight)] == rates[id(classifier.head.weight)] == 1.0
    assert id(encoder.pos_embed) not in rates


def test_the_cubes_projection_is_drawn_as_a_convolution_and_the_mask_token_within_one_deviation(method):
    assert float(method.decoder.mask_token.detach().abs().max()) <= 0.02
    twin = torch.nn.Conv3d(3, 48, (2, 8, 8), (2, 8, 8))
    ours = method.encoder.patch_embed.proj.weight.detach()
    assert float(ours.std()) == pytest.approx(float(twin.weight.detach().std()), rel=0.05)
