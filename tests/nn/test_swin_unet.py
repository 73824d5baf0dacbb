"""The two-branch U-Net: published size, the table of its stages, any number of axes."""

from __future__ import annotations

import copy

import pytest
import torch
from torch.nn import functional as F
from torch.testing import assert_close

from medmae.nn.checkpointing import recomputable_blocks
from medmae.nn.swin_unet import SwinUNet

SMALL = {"grid": (8, 8), "patch": (8, 8), "embed_dim": 16, "depths": (2, 2, 2), "num_heads": (2, 2, 4)}


def small(**options):
    torch.manual_seed(0)
    return SwinUNet(**{**SMALL, "window_size": 4, **options})


@pytest.fixture(scope="module")
def published():
    with torch.device("meta"):
        return SwinUNet(grid=(32, 32), patch=(8, 8))


def described(blocks):
    """Width, heads, window and shift of each pair of blocks."""
    rows = []
    for plain, shifted in zip(blocks[::2], blocks[1::2], strict=True):
        assert plain.attn_mask is None
        window = round(shifted.window_length**0.5)
        shift = 0 if shifted.attn_mask is None else window // 2
        rows.append((shifted.norm1.normalized_shape[0], shifted.attn.num_heads, window, shift))
    return rows


def test_the_published_size_has_exactly_the_parameters_of_the_reference_that_are_used(published):
    assert sum(p.numel() for p in published.parameters()) == 136_852_825 - 34_126_403 == 102_726_422


def test_widths_heads_windows_and_shifts_are_those_of_the_published_table(published):
    rows = {part: described(recomputable_blocks(getattr(published, part))) for part in ("coarse", "fine", "levels")}
    assert rows["coarse"] == [(128, 8, 8, 4), (256, 8, 8, 4), (512, 16, 8, 0)]
    assert rows["fine"] == [(128, 8, 8, 4), (256, 8, 8, 4), (512, 16, 8, 4), (1024, 32, 8, 0)]
    assert rows["levels"] == [(1024, 16, 8, 0), (512, 8, 8, 4), (256, 8, 8, 4)]


def test_epsilon_is_1e5_throughout(published):
    norms = [part for part in published.modules() if isinstance(part, torch.nn.LayerNorm)]
    assert {norm.eps for norm in norms} == {1e-5}


@pytest.mark.parametrize(
    ("sizes", "shape"),
    [
        ({}, (2, 1, 64, 64)),
        ({"grid": (8, 16), "patch": (4, 6), "out_channels": 3}, (2, 3, 32, 96)),
        ({"grid": (4, 8, 12), "patch": (2, 4, 4)}, (2, 1, 8, 32, 48)),
        ({"grid": (32,), "patch": (8,)}, (2, 1, 256)),
        ({"depths": (1, 3), "num_heads": (2, 4)}, (2, 1, 64, 64)),
    ],
    ids=["square", "oblong, three channels", "volume", "signal", "two stages"],
)
def test_a_picture_has_the_size_of_the_data_and_values_between_0_and_1(sizes, shape):
    unet = small(**sizes)
    tokens = torch.randn(2, torch.tensor(unet.grid).prod(), 16, requires_grad=True)
    picture = unet(tokens)
    assert picture.shape == shape
    assert 0 < picture.min() < picture.max() < 1
    picture.square().sum().backward()
    assert all(p.grad.isfinite().all() and p.grad.any() for p in [tokens, *unet.parameters()])


def test_the_fine_branch_starts_from_repeated_tokens():
    unet, seen = small(), []
    unet.fine[0].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    tokens = torch.randn(2, 64, 16)
    unet(tokens)
    nearest = F.interpolate(tokens.transpose(1, 2).unflatten(2, (8, 8)), scale_factor=2, mode="nearest")
    assert torch.equal(seen[0], nearest.flatten(2).transpose(1, 2))


def test_the_pixels_of_a_fine_token_are_half_a_patch():
    assert small().fine_patch == [4, 4]
    assert small(grid=(4, 8, 8), patch=(2, 4, 6)).fine_patch == [1, 2, 3]


def test_a_level_of_the_decoder_sees_the_skips_of_its_own_stage():
    unet, seen = small(), []
    for level in unet.levels:
        level.register_forward_pre_hook(lambda _, inputs: seen.append(inputs))
    tokens = torch.randn(1, 64, 16)
    unet(tokens)
    coarse, fine = unet.skips(tokens)
    for (x, its_coarse, its_fine), stage in zip(seen, (1, 0), strict=True):
        assert x.shape == its_fine.shape
        assert_close(its_coarse, coarse[stage])
        assert_close(its_fine, fine[stage])


def test_the_deepest_coarse_stage_is_not_built():
    unet = small()
    assert (len(unet.coarse), len(unet.fine), len(unet.levels)) == (2, 3, 2)


def test_a_fresh_network_is_drawn_as_published():
    unet = small(embed_dim=64, num_heads=(2, 2, 4))
    assert unet.fine[0].blocks[0].mlp.fc1.weight.std().item() == pytest.approx(0.02, rel=0.05)
    assert unet.levels[0].merge.weight.std().item() == pytest.approx(0.02, rel=0.05)
    assert not unet.fine[0].blocks[0].attn.qkv.bias.any()
    bound = 64**-0.5  # torch's own for a linear layer of 64 inputs
    assert 0.9 * bound < unet.head.pred.weight.abs().max() <= bound


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"depths": (2, 2)}, r"at least two stages, got \(2, 2\) and \(2, 2, 4\)"),
        ({"depths": (2,), "num_heads": (2,)}, "at least two stages"),
        ({"patch": (8, 7)}, r"even, got \(8, 7\)"),
        ({"grid": (8, 6)}, r"\(8, 6\) patches cannot be halved 2 times.*multiple of \(32, 32\)"),
    ],
)
def test_sizes_that_do_not_suit_are_refused_with_what_would(sizes, message):
    with pytest.raises(ValueError, match=message):
        small(**sizes)


@pytest.mark.parametrize("sizes", [{}, {"grid": (4, 8, 8), "patch": (4, 4, 4)}], ids=["slice", "volume"])
def test_a_scripted_network_gives_what_the_eager_one_gives(sizes, tmp_path):
    unet = small(**sizes).eval()
    torch.jit.script(unet).save(str(tmp_path / "unet.ts"))
    tokens = torch.randn(3, torch.tensor(unet.grid).prod(), 16)
    with torch.no_grad():
        assert_close(torch.jit.load(str(tmp_path / "unet.ts"))(tokens), unet(tokens))


def test_copies_and_other_precisions_keep_what_follows_from_sizes():
    unet, tokens = small(), torch.randn(1, 64, 16)
    assert_close(copy.deepcopy(unet)(tokens), unet(tokens))
    assert_close(unet.double()(tokens.double()).float(), small()(tokens), atol=1e-5, rtol=1e-4)
