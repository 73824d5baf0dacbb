"""Data goes into an encoder in its own units."""

from __future__ import annotations

import copy

import pytest
import torch

from medmae.kinds import SCALES, Kind, Scale
from medmae.methods.bootmae import bootmae_tiny
from medmae.methods.cmae import cmae_tiny
from medmae.methods.he_mmae import he_mmae_tiny
from medmae.methods.mae import mae_tiny
from medmae.methods.saim import saim_tiny
from medmae.nn.heads import FeatureMap
from medmae.nn.vit import MaskedViT

TINY = {"embed_dim": 24, "depth": 1, "num_heads": 2}
METHODS = [mae_tiny, bootmae_tiny, cmae_tiny, saim_tiny]
ODD = Scale((0.1, 0.2, 0.3), (0.4, 0.5, 0.6))


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("frames", [3, 16])
def test_clips_of_any_length_are_scaled_over_channels_and_never_over_time(frames):
    size = (frames, 8, 8)
    encoder = MaskedViT(image_size=size, patch_size=(1, 8, 8), kind=Kind.clip(), scale="imagenet", **TINY)
    clip = torch.rand(2, 3, *size)
    for frame in range(frames):
        alone = SCALES["imagenet"].apply(clip[:, :, frame])
        assert torch.equal(encoder.scaling(clip)[:, :, frame], alone)
    assert encoder.kinds["image"].scale == SCALES["imagenet"]


def test_without_a_scale_no_bit_changes():
    encoder = MaskedViT(image_size=16, patch_size=8, **TINY)
    data = torch.rand(1, 3, 16, 16)
    assert encoder.scaling(data) is data
    assert torch.equal(encoder.patchify(data), encoder.patches.patchify(data))


@pytest.mark.parametrize("build", METHODS)
def test_a_method_of_a_scale_is_the_plain_one_on_scaled_data(build):
    torch.manual_seed(0)
    plain = build()
    scaled = build(scale=ODD)
    scaled.load_state_dict(plain.state_dict())
    batch = plain.example_batch(2, generator=seeded())
    moved = {name: ODD.apply(value) for name, value in batch.items()}
    masks = plain.draw_masks(batch, generator=seeded(1))
    assert torch.equal(scaled(batch, masks=masks).loss, plain(moved, masks=masks).loss)
    assert not torch.equal(scaled(batch, masks=masks).loss, plain(batch, masks=masks).loss)


@pytest.mark.parametrize("build", [*METHODS, he_mmae_tiny])
def test_pictures_are_in_the_data_s_own_units_and_show_what_was_visible(build):
    method = build(scale=ODD)
    batch = method.example_batch(2, generator=seeded())
    shown = method.show(batch, method.draw_masks(batch, generator=seeded(1)))
    for one in (one for one in shown.values() if one.made is not None):
        visible = ~one.hidden.expand_as(one.given)
        assert torch.equal(one.made[visible], one.given[visible])


def test_of_several_modalities_the_encoder_s_own_is_scaled():
    torch.manual_seed(0)
    plain, scaled = he_mmae_tiny(), he_mmae_tiny(scale=ODD)
    scaled.load_state_dict(plain.state_dict())
    batch = plain.example_batch(2, generator=seeded())
    masks = plain.draw_masks(batch, generator=seeded(1))
    moved = {**batch, "rgb": ODD.apply(batch["rgb"])}
    assert torch.equal(scaled(batch, masks=masks).loss, plain(moved, masks=masks).loss)
    assert scaled.encoder.kinds["rgb"].scale == ODD
    torch.testing.assert_close(scaled.encoder.features(batch), plain.encoder.features(moved))


def test_exports_apply_it(tmp_path):
    network = FeatureMap(encoder=mae_tiny(scale=ODD).encoder).eval()
    data = torch.rand(2, 3, 32, 32)
    torch.jit.script(network).save(tmp_path / "model.ts")
    torch.testing.assert_close(torch.jit.load(tmp_path / "model.ts")(data), network(data))
    plain = copy.deepcopy(network)
    plain.encoder.scaling.take(Scale())
    torch.testing.assert_close(plain(ODD.apply(data)), network(data))


def test_an_untrained_copy_expects_the_same():
    assert mae_tiny(scale=ODD).encoder.fresh(seed=0).kinds["image"].scale == ODD


def test_a_published_scale_of_colours_becomes_grey_for_one_channel_when_asked_by_name():
    grey = mae_tiny(in_channels=1, scale="imagenet").encoder.kinds["image"].scale
    assert grey.mean == pytest.approx((0.449,), abs=1e-3)
    assert grey.std == pytest.approx((0.226,), abs=1e-3)
    for scale, channels in ((ODD, 1), ("imagenet", 4)):
        with pytest.raises(ValueError, match="3 channels does not suit"):
            mae_tiny(in_channels=channels, scale=scale)


def test_whole_numbers_are_refused_where_a_scale_would_spoil_them():
    with pytest.raises(ValueError, match="whole numbers"):
        mae_tiny(scale="half").encoder(torch.zeros(1, 3, 32, 32, dtype=torch.uint8))
