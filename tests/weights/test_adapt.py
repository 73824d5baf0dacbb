"""Weights of other sizes: each rule keeps what it says it keeps, and nothing is touched unasked."""

import pytest
import torch
from torch.nn import functional as F

from medmae.methods.edge_mae import edge_mae_tiny
from medmae.nn.positions import resize_positions
from medmae.weights.adapt import adapt_channels, adapt_patches, adapt_state
from medmae.weights.io import import_state
from tests.faults.weights import encoder

ALL = ("positions", "channels", "patches")


def tokens(network, data):
    return network.patch_embed(network.patches.cut(data))


def test_what_fits_passes_untouched():
    state = encoder(seed=1).state_dict()
    adapted, keys = adapt_state(encoder(), state, wanted=ALL)
    assert keys == []
    assert all(adapted[key] is state[key] for key in state)


@pytest.mark.parametrize(("theirs", "ours"), [(3, 1), (1, 3), (3, 4), (2, 2)])
def test_a_picture_whose_channels_are_equal_gives_the_same_tokens(theirs, ours):
    source, target = encoder(in_channels=theirs, seed=1), encoder(in_channels=ours)
    import_state(target, source.state_dict(), adapt=["channels"])
    grey = torch.rand(2, 1, 64, 64)
    before, after = (tokens(net, grey.repeat(1, n, 1, 1)) for net, n in ((source, theirs), (target, ours)))
    assert torch.allclose(before, after, atol=1e-6)


def test_one_channel_from_three_is_the_mean_kernel_times_three():
    kernel = torch.randn(5, 3, 4, 4)
    assert torch.allclose(adapt_channels(kernel, channels=1), kernel.sum(dim=1, keepdim=True), atol=1e-6)


@pytest.mark.parametrize("patch", [(8, 8), (5, 7), (16, 4)])
def test_a_magnified_patch_gives_the_same_token(patch):
    kernel, piece = torch.randn(6, 2, 4, 4), torch.randn(3, 2, 4, 4)
    magnified = F.interpolate(piece, size=patch, mode="bilinear", align_corners=False)
    before = torch.einsum("dchw,bchw->bd", kernel, piece)
    after = torch.einsum("dchw,bchw->bd", adapt_patches(kernel, patch=patch), magnified)
    assert torch.allclose(before, after, atol=1e-4)


def test_patches_of_volumes_are_resized_along_every_axis():
    kernel, piece = torch.randn(6, 1, 2, 4, 4), torch.randn(3, 1, 2, 4, 4)
    magnified = F.interpolate(piece, size=(4, 6, 8), mode="trilinear", align_corners=False)
    after = torch.einsum("dczyx,bczyx->bd", adapt_patches(kernel, patch=(4, 6, 8)), magnified)
    assert torch.allclose(torch.einsum("dczyx,bczyx->bd", kernel, piece), after, atol=1e-4)


@pytest.mark.parametrize("dtype", [torch.float16, torch.float64])
def test_patches_of_the_same_size_keep_their_kernel_and_its_type(dtype):
    kernel = torch.randn(6, 2, 4, 4).to(dtype)
    adapted = adapt_patches(kernel, patch=(4, 4))
    assert adapted.dtype == dtype
    assert torch.allclose(adapted, kernel, rtol=1e-6 if dtype == torch.float64 else 1e-3)


def test_position_tables_of_encoder_and_decoder_are_interpolated_to_the_new_grid():
    source, target = edge_mae_tiny(image_size=64), edge_mae_tiny(image_size=96)
    report = import_state(target, source.state_dict(), adapt=["positions"])
    assert report.adapted == ["decoder.pos_embed", "encoder.pos_embed"]
    old, new = source.encoder.patches.grid, target.encoder.patches.grid
    prefix = source.encoder.num_positions_prefix
    wanted = resize_positions(source.encoder.pos_embed, old_grid=old, new_grid=new, prefix=prefix)
    assert torch.equal(target.encoder.pos_embed, wanted)


def test_a_table_of_a_grid_that_is_not_square_is_refused_with_another_way():
    source = encoder(image_size=(32, 64), seed=1)
    with pytest.raises(ValueError, match=r"33 rows, 1 of them for class tokens.*medmae\.nn\.positions"):
        import_state(encoder(), source.state_dict(), adapt=["positions"])


def test_channels_and_patches_may_differ_at_once():
    source = encoder(in_channels=3, patch_size=4, image_size=32, seed=1)
    report = import_state(encoder(), source.state_dict(), adapt=["channels", "patches"])
    assert report.adapted == ["patch_embed.proj.weight"]


def test_another_width_is_never_adapted():
    with pytest.raises(ValueError, match="do not fit") as caught:
        import_state(encoder(), encoder(embed_dim=64, seed=1).state_dict(), adapt=ALL)
    assert "would fit" not in str(caught.value)


def test_the_heads_of_another_patch_size_are_never_adapted_and_stay_as_they_were():
    target = edge_mae_tiny(in_channels=1)
    before = target.image_head.pred.weight.detach().clone()
    state = edge_mae_tiny(in_channels=3).state_dict()
    with pytest.raises(ValueError, match=r"image_head\.pred\.weight"):
        import_state(target, state, adapt=["channels"])
    report = import_state(target, state, adapt=["channels"], strict=False)
    assert report.adapted == ["encoder.patch_embed.proj.weight"]
    assert torch.equal(target.image_head.pred.weight, before)


def test_a_misspelt_rule_is_refused():
    with pytest.raises(ValueError, match="adapt must be 'positions' or 'channels' or 'patches', got 'position'"):
        import_state(encoder(), encoder().state_dict(), adapt=["position"])


def test_a_kernel_that_needs_two_rules_is_not_adapted_by_one():
    source = encoder(in_channels=3, patch_size=4, image_size=32, seed=1)
    with pytest.raises(ValueError, match=r"would fit with adapt=\['channels', 'patches'\]"):
        import_state(encoder(), source.state_dict(), adapt=["channels"])
