"""Bottleneck tokens: what passes through them, samples that lack a kind, and weights taken over."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from medmae.kinds import Scale
from medmae.methods.av_mae import av_mae_tiny
from medmae.nn.bottleneck import BottleneckClassifier, BottleneckEncoder
from medmae.nn.config import build, config_of
from medmae.nn.streams import ClipStream, SpectrogramStream

FUSIONS = [{"fusion": "early"}, {"fusion": "shared"}, {"fusion": "separate"}, {"fusion": "mid", "fusion_layers": 1}]


def seeded(seed):
    return torch.Generator().manual_seed(seed)


def pretrained(**options):
    torch.manual_seed(0)
    method = av_mae_tiny(**options)
    with torch.no_grad():
        for parameter in method.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=seeded(5)))
    return method


def bottlenecked(*, fusion_layer=1, **options):
    torch.manual_seed(1)
    return BottleneckEncoder.of(pretrained(**options).encoder, fusion_layer=fusion_layer, num_bottlenecks=2).eval()


def batch_of(count=2):
    return pretrained().example_batch(count, generator=seeded(1))


@pytest.mark.parametrize(
    ("classes", "sizes", "streams", "count"),
    [
        (309, {"embed_dim": 1024, "depth": 24, "num_heads": 16}, 16, 606_778_677),
        (527, {"embed_dim": 1024, "depth": 24, "num_heads": 16}, 18, 607_002_127),
        (309, {}, 8, 171_728_949),
    ],
)
def test_parameters_are_as_many_as_published(classes, sizes, streams, count):
    with torch.device("meta"):
        kinds = (ClipStream(num_frames=32), SpectrogramStream(frames=800))
        encoder = BottleneckEncoder(streams=kinds, fusion_layer=streams, **sizes)
        network = BottleneckClassifier(encoder=encoder, num_classes=classes)
    assert sum(parameter.numel() for parameter in network.parameters()) == count


@pytest.mark.parametrize("options", FUSIONS, ids=lambda options: options["fusion"])
def test_weights_are_taken_over_by_the_rules_of_each_fusion(options):
    encoder, new = pretrained(**options).encoder, bottlenecked(**options)
    shared = [] if encoder.trunk is None else list(encoder.trunk.blocks)
    for name, vit in encoder.vits.items():
        assert_close(new.vits[name].patch_embed.state_dict(), vit.patch_embed.state_dict())
        for theirs, ours in zip([*vit.blocks, *shared], new.vits[name].blocks, strict=True):
            assert_close(ours.state_dict(), theirs.state_dict())
    assert new.bottleneck.std().item() == pytest.approx(0.02, rel=0.3)
    if encoder.trunk is None:
        assert torch.equal(new.norm.weight, torch.ones(48))
    else:
        assert_close(new.norm.state_dict(), encoder.trunk.norm.state_dict())


def test_sound_is_scaled_as_in_the_pre_training_and_otherwise_only_if_that_is_said():
    """Published: nothing is done to spectrograms in pre-training, and AudioSet's are standardised in fine-tuning."""
    theirs = pretrained().encoder
    theirs.vits["audio"].scaling.take(Scale((-4.0,), (3.0,)))
    new = BottleneckEncoder.of(theirs, fusion_layer=1, num_bottlenecks=2).eval()
    assert new.kinds["audio"].scale == Scale((-4.0,), (3.0,))
    batch = batch_of()
    before = new(batch)["audio"]
    new.vits["audio"].scaling.take(Scale((1.102,), (2.762,)))
    published = {**batch, "audio": (batch["audio"] + 4.0) / 3.0 * 2.762 + 1.102}
    assert_close(new(published)["audio"], before, rtol=1e-4, atol=1e-4)
    assert not torch.allclose(new(batch)["audio"], before, atol=1e-3)


def test_copies_of_shared_blocks_learn_apart():
    new = bottlenecked(fusion="early")
    first, second = (vit.blocks[0].mlp.fc1.weight for vit in new.vits.values())
    assert torch.equal(first, second)
    assert first is not second


def test_kind_tokens_come_along():
    encoder = pretrained(kind_tokens=True).encoder
    new = BottleneckEncoder.of(encoder, fusion_layer=1)
    assert_close(dict(new.kind_tokens), dict(encoder.kind_tokens))
    assert all(token.any() for token in new.kind_tokens.values())


@pytest.mark.parametrize(("layer", "reads"), [(1, True), (2, False)])
def test_from_the_layer_after_the_first_that_fuses_one_kind_learns_of_the_other(layer, reads):
    encoder, batch = bottlenecked(fusion_layer=layer, fusion="separate"), batch_of()
    other = {**batch, "audio": torch.rand(batch["audio"].shape, generator=seeded(9))}
    clips = [encoder(some)["image"] for some in (batch, other)]
    assert torch.equal(*clips) != reads  # of 3 blocks: what block 1 put into the tokens, block 2 reads


def test_samples_without_sound_are_as_they_are_without_it_in_the_batch():
    encoder, batch = bottlenecked(fusion="separate"), batch_of(3)
    network = BottleneckClassifier(encoder=encoder, num_classes=4).eval()
    nn.init.normal_(network.head.weight)
    lacking = {**batch, "available": torch.tensor([[True, True], [True, False], [False, True]])}
    lacking["audio"] = batch["audio"].clone()
    lacking["audio"][1] = float("nan")
    found = network(lacking)
    assert_close(found[0], network(batch)[0], atol=1e-5, rtol=1e-4)
    for sample, name in ((1, "image"), (2, "audio")):
        alone = {name: batch[name][sample : sample + 1]}
        assert_close(found[sample : sample + 1], network(alone), atol=1e-5, rtol=1e-4)


def test_it_is_an_encoder():
    encoder, batch = bottlenecked(), batch_of()
    apart, _ = encoder.features_of_kinds(batch)
    assert_close(encoder.features(batch), (apart["image"] + apart["audio"]) / 2)
    assert encoder.features(batch, block=2).shape == (2, 48)
    fresh = [encoder.fresh(seed=seed).features(batch) for seed in (3, 3, 4)]
    assert torch.equal(fresh[0], fresh[1])
    assert not torch.allclose(fresh[0], fresh[2])
    named = {id(parameter) for layer in encoder.layers() for parameter in layer}
    assert len(encoder.layers()) == 4
    behind = {name for name, parameter in encoder.named_parameters() if id(parameter) not in named}
    assert behind == {"bottleneck", "norm.weight", "norm.bias"}
    twin = build(config_of(encoder))
    twin.load_state_dict(encoder.state_dict())
    assert_close(twin.eval().features(batch), encoder.features(batch))


def test_one_kind_alone_has_no_bottleneck():
    streams = (SpectrogramStream(frames=48, bands=32, patch_size=8),)
    sizes = {"embed_dim": 24, "depth": 2, "num_heads": 2}
    encoder = BottleneckEncoder(streams=streams, fusion_layer=1, **sizes)
    assert encoder.bottleneck is None
    assert encoder.features(torch.rand(2, 1, 48, 32)).shape == (2, 24)


def test_paths_that_stay_are_not_scaled_up_unless_asked():
    encoder = bottlenecked(fusion="separate")
    BottleneckClassifier(encoder=encoder, num_classes=2, drop_path=0.3)
    drops = [block.drop_path1 for block in encoder.vits["audio"].blocks]
    assert [getattr(drop, "drop_prob", 0.0) for drop in drops] == [0.0, 0.15, 0.3]
    kept = drops[2].train()(torch.ones(400, 1))
    assert set(kept.unique().tolist()) == {0.0, 1.0}


@pytest.mark.parametrize(
    "options", [{"fusion_layer": 3}, {"fusion_layer": -1}, {"fusion_layer": 1, "num_bottlenecks": 0}]
)
def test_sizes_that_fuse_nothing_are_refused(options):
    with pytest.raises(ValueError, match="fusion_layer must lie in 0 to 2"):
        BottleneckEncoder.of(pretrained().encoder, **options)


def test_weights_of_short_clips_are_taken_by_a_network_for_longer_ones_and_no_others():
    """AV-MAE is pre-trained on 16 frames and fine-tuned on 32: its places are a sinusoid, which has no end."""
    encoder, sizes = pretrained().encoder, {"embed_dim": 48, "depth": 3, "num_heads": 4, "fusion_layer": 1}

    def of(frames, *, bands=32, **more):
        streams = [
            ClipStream(num_frames=frames, image_size=32, patch_size=8),
            SpectrogramStream(frames=50, bands=bands, patch_size=8),
        ]
        return BottleneckEncoder(streams=streams, **{**sizes, **more})

    new = of(8)
    own = new.vits["image"].pos_embed.clone()
    new.take(encoder)
    assert_close(new.vits["image"].pos_embed, own)  # of its own length
    assert_close(own[:, : encoder.vits["image"].num_tokens], encoder.vits["image"].pos_embed)
    assert_close(new.vits["image"].patch_embed.state_dict(), encoder.vits["image"].patch_embed.state_dict())
    with pytest.raises(ValueError, match="weights are of patches"):
        of(4, depth=4).take(encoder)
