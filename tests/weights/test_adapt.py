"""Weights of other sizes: each rule keeps what it says it keeps, and nothing is touched unasked."""

import pytest
import timm
import torch
from torch.nn import functional as F

from medmae.methods.edge_mae import edge_mae_tiny
from medmae.methods.mae import mae_tiny
from medmae.nn.positions import FlatSinusoid, LearnedPositions, SinCos, resize_positions, sincos_table
from medmae.weights.adapt import adapt_state
from medmae.weights.io import import_state
from medmae.weights.kernels import adapt_channels, adapt_patches, inflate
from tests.faults.weights import encoder

ALL = ("positions", "channels", "patches", "inflate")


def tokens(network, data):
    return network.patch_embed(network.patches.patchify(data))


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
    with pytest.raises(ValueError, match=r"33 rows, 1 of them for class tokens.*file_grid=\(rows, columns\)"):
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
    with pytest.raises(ValueError, match=r"adapt must be 'positions' or .* or 'inflate_centre', got 'position'"):
        import_state(encoder(), encoder().state_dict(), adapt=["position"])


def test_a_kernel_that_needs_two_rules_is_not_adapted_by_one():
    source = encoder(in_channels=3, patch_size=4, image_size=32, seed=1)
    with pytest.raises(ValueError, match=r"would fit with adapt=\['channels', 'patches'\]"):
        import_state(encoder(), source.state_dict(), adapt=["channels"])


# -------------------------------------------------------------------------------------------------- rules for channels
def test_a_sum_makes_one_channel_and_is_refused_for_more():
    kernel = torch.randn(5, 3, 4, 4)
    assert torch.equal(
        adapt_channels(kernel, channels=1, rule="channels_sum"), adapt_channels(kernel, channels=1, rule="channels")
    )
    with pytest.raises(ValueError, match="channels_sum makes one channel, and there are 2"):
        adapt_channels(kernel, channels=2, rule="channels_sum")


def test_the_mean_rule_weighs_every_channel_as_one_did():
    kernel = torch.randn(5, 3, 4, 4)
    for channels in (1, 4):
        adapted = adapt_channels(kernel, channels=channels, rule="channels_mean")
        assert adapted.shape == (5, channels, 4, 4)
        assert all(torch.equal(adapted[:, index], kernel.mean(dim=1)) for index in range(channels))


@pytest.mark.parametrize("channels", [1, 4, 6])
def test_repeated_kernels_are_those_of_timm(channels):
    kernel = torch.randn(5, 3, 4, 4)
    if channels == 1:  # timm sums here instead
        assert torch.equal(adapt_channels(kernel, channels=1, rule="channels_repeat")[:, 0], 3 * kernel[:, 0])
        return
    adapted = adapt_channels(kernel, channels=channels, rule="channels_repeat")
    assert torch.allclose(adapted, timm.models.adapt_input_conv(channels, kernel), atol=1e-6)


def test_two_rules_of_one_kind_are_refused():
    with pytest.raises(ValueError, match="one of channels and channels_sum, got both"):
        import_state(encoder(), encoder(in_channels=3).state_dict(), adapt=["channels_sum", "channels"])


def test_the_rule_that_was_named_is_the_one_that_is_used():
    source, target = encoder(in_channels=3, seed=1), encoder()
    import_state(target, source.state_dict(), adapt=["channels_mean"])
    assert torch.equal(target.patch_embed.proj.weight[:, 0], source.patch_embed.proj.weight.mean(dim=1))


# ------------------------------------------------------------------------------------------------ pictures for volumes
VOLUME = {"image_size": (8, 32, 32), "patch_size": (4, 8, 8)}


@pytest.mark.parametrize("rule", ["inflate", "inflate_centre"])
def test_a_volume_of_equal_slices_gives_the_tokens_of_its_slices_at_every_depth(rule):
    flat, deep = encoder(image_size=32, seed=1), encoder(**VOLUME)
    report = import_state(deep, flat.state_dict(), adapt=["positions", rule])
    assert report.adapted == ["patch_embed.proj.weight", "pos_embed"]
    kernel = flat.patch_embed.proj.weight
    assert torch.equal(deep.patch_embed.proj.weight, inflate(kernel, depth=4, rule=rule))
    picture = torch.rand(2, 1, 32, 32)
    volume = picture.unsqueeze(2).expand(-1, -1, 8, -1, -1)
    assert torch.allclose(tokens(deep, volume), tokens(flat, picture).repeat(1, 2, 1), atol=1e-5)
    for depth in range(2):
        assert torch.equal(deep.pos_embed[:, 1 + 16 * depth :][:, :16], flat.pos_embed[:, 1:])


def test_the_centre_alone_is_seen_after_inflating_it():
    kernel, patch = torch.randn(6, 1, 4, 4), torch.randn(3, 1, 5, 4, 4)
    inflated = inflate(kernel, depth=5, rule="inflate_centre")
    seen = torch.einsum("dczyx,bczyx->bd", inflated, patch)
    assert torch.allclose(seen, torch.einsum("dcyx,bcyx->bd", kernel, patch[:, :, 2]), atol=1e-5)


def test_colour_pictures_of_another_patch_size_make_grey_volumes_where_all_rules_are_named():
    source = encoder(in_channels=3, patch_size=4, image_size=16, seed=1).state_dict()
    with pytest.raises(ValueError, match=r"would fit with adapt=\['channels', 'patches', 'inflate'\]"):
        import_state(encoder(**VOLUME), source, adapt=["positions", "inflate"])
    deep = encoder(**VOLUME)
    import_state(deep, source, adapt=ALL)
    kernel = adapt_patches(adapt_channels(source["patch_embed.proj.weight"], channels=1), patch=(8, 8))
    assert torch.equal(deep.patch_embed.proj.weight, inflate(kernel, depth=4))


def test_the_table_of_a_picture_is_not_taken_for_that_of_a_volume_of_as_many_tokens():
    flat, deep = encoder(seed=1), encoder(image_size=(16, 32, 32), patch_size=(4, 8, 8))
    flat.pos_embed.data.normal_()
    with pytest.raises(ValueError, match=r"pos_embed has as many rows as ours, but of another grid"):
        import_state(deep, flat.state_dict(), adapt=["inflate"])
    import_state(deep, flat.state_dict(), adapt=["inflate", "positions"])
    plane = resize_positions(flat.pos_embed, old_grid=(8, 8), new_grid=(4, 4))
    assert all(torch.equal(deep.pos_embed[:, 1 + 16 * depth :][:, :16], plane[:, 1:]) for depth in range(4))


def test_volumes_never_become_pictures():
    rules = ("positions_own", "channels", "patches", "inflate")
    with pytest.raises(ValueError, match=r"reshaped +1  patch_embed\.proj\.weight"):
        import_state(encoder(image_size=32), encoder(**VOLUME, seed=1).state_dict(), adapt=rules)


def test_heads_are_never_inflated():
    flat = mae_tiny(in_channels=1, image_size=32, patch_size=8)
    deep = mae_tiny(in_channels=1, image_size=(8, 32, 32), patch_size=(4, 8, 8))
    with pytest.raises(ValueError, match=r"reshaped +2  head\.pred\.bias, head\.pred\.weight"):
        import_state(deep, flat.state_dict(), adapt=ALL)


# ------------------------------------------------------------------------------------------------------ position tables
def test_a_table_of_a_named_grid_is_interpolated_from_it():
    source, target = encoder(image_size=(32, 64), seed=1), encoder(image_size=(64, 32))
    report = import_state(target, source.state_dict(), adapt=["positions"], file_grid=(4, 8))
    assert report.adapted == ["pos_embed"]
    assert torch.equal(target.pos_embed, resize_positions(source.pos_embed, old_grid=(4, 8), new_grid=(8, 4)))


def test_a_named_grid_of_other_rows_is_refused():
    with pytest.raises(ValueError, match=r"33 rows.* no grid of \(4, 9\)"):
        import_state(encoder(), encoder(image_size=(32, 64)).state_dict(), adapt=["positions"], file_grid=(4, 9))


def test_our_own_table_may_stay():
    source, target = encoder(image_size=(32, 64), seed=1), encoder(image_size=96)
    before = target.pos_embed.clone()
    report = import_state(target, source.state_dict(), adapt=["positions_own"])
    assert report.adapted == ["pos_embed"]
    assert torch.equal(target.pos_embed, before)


def test_the_fixed_table_of_a_square_is_not_taken_for_that_of_a_strip_of_as_many_tokens():
    square, strip = encoder(image_size=32, seed=1), encoder(image_size=(16, 64))
    with pytest.raises(ValueError, match=r"pos_embed has as many rows as ours, but of another grid.*\['positions'\]"):
        import_state(strip, square.state_dict())
    report = import_state(strip, square.state_dict(), adapt=["positions"])
    assert report.adapted == ["pos_embed"]
    assert torch.equal(strip.pos_embed, resize_positions(square.pos_embed, old_grid=(4, 4), new_grid=(2, 8)))
    import_state(encoder(image_size=(16, 64)), strip.state_dict())  # its own kind passes


@pytest.mark.parametrize("theirs", ["last_first", "first_first"])
@pytest.mark.parametrize("ours", ["last_first", "first_first"])
def test_a_fixed_table_shows_its_grid_in_either_order_of_axes(theirs, ours):
    """6 x 6 and 4 x 9 are both 36 tokens; MAE's order is not that of BootMAE and CMAE."""
    square, strip = (
        encoder(image_size=48, positions=SinCos(theirs)),
        encoder(image_size=(32, 72), positions=SinCos(ours)),
    )
    with pytest.raises(ValueError, match="pos_embed has as many rows as ours, but of another grid"):
        import_state(strip, square.state_dict())
    import_state(strip, square.state_dict(), adapt=["positions"])
    assert torch.equal(strip.pos_embed, resize_positions(square.pos_embed, old_grid=(6, 6), new_grid=(4, 9)))


def test_a_fixed_table_of_a_strip_is_not_taken_for_that_of_a_strip_that_stands():
    lying, standing = encoder(image_size=(32, 72)), encoder(image_size=(72, 32))
    with pytest.raises(ValueError, match="as many rows as ours, but of another grid"):
        import_state(standing, lying.state_dict())
    with pytest.raises(ValueError, match=r"grid of \(4, 9\), not of \(6, 6\): file_grid=\(4, 9\)"):
        import_state(standing, lying.state_dict(), adapt=["positions"])
    import_state(standing, lying.state_dict(), adapt=["positions"], file_grid=(4, 9))
    assert torch.equal(standing.pos_embed, resize_positions(lying.pos_embed, old_grid=(4, 9), new_grid=(9, 4)))


def test_a_fixed_table_of_a_strip_is_not_taken_for_a_square_when_it_is_resized():
    with pytest.raises(ValueError, match=r"grid of \(4, 9\), not of \(6, 6\): file_grid=\(4, 9\)"):
        import_state(encoder(), encoder(image_size=(32, 72)).state_dict(), adapt=["positions"])


def test_a_fixed_table_of_a_volume_shows_its_grid():
    sizes = {"patch_size": (8, 8, 8), "embed_dim": 48}
    flat, deep = encoder(image_size=(16, 32, 32), **sizes), encoder(image_size=(32, 32, 16), **sizes)
    with pytest.raises(ValueError, match="as many rows as ours, but of another grid"):
        import_state(deep, flat.state_dict())


def test_a_table_of_our_grid_in_the_other_order_goes_with_its_weights():
    theirs, ours = encoder(positions=SinCos("last_first"), seed=1), encoder(positions=SinCos("first_first"))
    assert import_state(ours, theirs.state_dict()).adapted == []
    picture = torch.rand(2, 1, 64, 64)
    assert torch.equal(ours(picture), theirs(picture))


@pytest.mark.parametrize("image_size", [96, (48, 96)])
def test_our_own_table_may_not_replace_one_of_the_other_order(image_size):
    source = encoder(image_size=image_size, positions=SinCos("last_first"))
    target = encoder(positions=SinCos("first_first"))
    with pytest.raises(ValueError, match=r"has axis_order='last_first' and this encoder 'first_first'.*rows for colum"):
        import_state(target, source.state_dict(), adapt=["positions_own"])
    source.pos_embed.data.normal_()  # a learned one does not show it
    import_state(target, source.state_dict(), adapt=["positions_own"])


def test_tables_are_resized_for_the_encoder_that_they_belong_to():
    """One of two encoders of other grids, as methods of sound and pictures have."""
    both = torch.nn.ModuleDict({"sound": encoder(image_size=(32, 64)), "sight": encoder(image_size=96)})
    state = both.state_dict() | {"sight.pos_embed": sincos_table(grid=(8, 8), dim=32, prefix=1)}
    import_state(both, state, adapt=["positions"])
    wanted = resize_positions(state["sight.pos_embed"], old_grid=(8, 8), new_grid=(12, 12))
    assert torch.equal(both["sight"].pos_embed, wanted)


def test_a_computed_table_is_in_no_file_and_computed_anew_for_another_grid():
    source, target = encoder(positions=FlatSinusoid(), seed=1), encoder(image_size=96, positions=FlatSinusoid())
    assert import_state(target, source.state_dict()).fits
    assert torch.equal(target.pos_embed, FlatSinusoid().table(grid=(12, 12), dim=32, prefix=1))


def test_the_table_of_another_kind_is_not_replaced_by_a_computed_one():
    with pytest.raises(ValueError, match=r"unexpected +1  pos_embed"):
        import_state(encoder(positions=FlatSinusoid()), encoder().state_dict(), adapt=["positions"])


def test_learned_tables_along_each_axis_are_resized_from_a_named_grid():
    kind = LearnedPositions(per_axis=True)
    source, target = encoder(image_size=(32, 64), positions=kind), encoder(image_size=(64, 64), positions=kind)
    with pytest.raises(ValueError, match=r"file_grid=\(rows, columns\)"):
        import_state(target, source.state_dict(), adapt=["positions"])
    import_state(target, source.state_dict(), adapt=["positions"], file_grid=(4, 8))
    wanted = kind.resize(source.pos_embed, old_grid=(4, 8), new_grid=(8, 8), prefix=1)
    assert torch.equal(target.pos_embed, wanted)
