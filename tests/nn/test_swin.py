"""Swin parts: timm's in 2-d, and the same rules in 3-d."""

from __future__ import annotations

import pytest
import torch
from timm.models.swin_transformer import PatchMerging as TimmMerging
from timm.models.swin_transformer import SwinTransformerBlock
from torch.testing import assert_close

from medmae.nn.swin import PatchExpanding, PatchMerging, SwinBlock, gather_cells, spread_cells

CLOSE = {"atol": 1e-5, "rtol": 1e-4}


def scrambled(module, *, std=0.3):
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter, std=std)
    return module


def block(grid=(8, 8), *, dim=16, num_heads=2, window_size=4, shifted=False, **options):
    torch.manual_seed(0)
    return scrambled(
        SwinBlock(grid=grid, dim=dim, num_heads=num_heads, window_size=window_size, shifted=shifted, **options)
    )


@pytest.mark.parametrize(
    ("grid", "window_size", "shifted", "shift"),
    [
        ((8, 8), 4, False, 0),
        ((8, 8), 4, True, 2),
        ((12, 8), 4, True, 2),
        ((4, 4), 8, True, 0),
    ],
    ids=["plain", "shifted", "oblong", "one window"],
)
def test_in_2d_a_block_has_the_values_and_gradients_of_timm_s(grid, window_size, shifted, shift):
    ours = block(grid, window_size=window_size, shifted=shifted)
    theirs = SwinTransformerBlock(16, grid, num_heads=2, window_size=min(window_size, *grid), shift_size=shift)
    theirs.load_state_dict(ours.state_dict())
    tokens = torch.randn(3, grid[0] * grid[1], 16, requires_grad=True)
    mine, other = ours(tokens), theirs(tokens.unflatten(1, grid)).flatten(1, 2)
    assert_close(mine, other, **CLOSE)
    weight = torch.randn_like(mine)
    gradients = torch.autograd.grad((mine * weight).sum(), [tokens, *ours.parameters()])
    expected = torch.autograd.grad((other * weight).sum(), [tokens, *theirs.parameters()])
    names = ["tokens", *dict(ours.named_parameters())]
    assert names[1:] == list(dict(theirs.named_parameters()))
    for name, one, two in zip(names, gradients, expected, strict=True):
        assert_close(one, two, atol=1e-4, rtol=1e-3, msg=lambda text, name=name: f"{name}: {text}")


def test_a_volume_of_one_slice_is_that_slice():
    flat, deep = block((8, 8), shifted=True), block((1, 8, 8), shifted=True)
    deep.load_state_dict(flat.state_dict())
    tokens = torch.randn(2, 64, 16)
    assert_close(deep(tokens), flat(tokens), **CLOSE)


@pytest.mark.parametrize("shifted", [False, True])
@pytest.mark.parametrize("axis", range(3))
def test_a_volume_s_block_turned_with_its_axes_gives_the_turned_result(axis, shifted):
    here = block((8, 8, 8), dim=8, shifted=shifted)
    there = block((8, 8, 8), dim=8, shifted=shifted)
    there.load_state_dict(here.state_dict())
    table = here.attn.relative_position_bias_table.detach().unflatten(0, (7, 7, 7))
    turned = table.transpose(axis, (axis + 1) % 3).flatten(0, 2)
    with torch.no_grad():
        there.attn.relative_position_bias_table.copy_(turned)
    data = torch.randn(1, 8, 8, 8, 8)
    swap = (1 + axis, 1 + (axis + 1) % 3)
    expected = here(data.flatten(1, 3)).unflatten(1, (8, 8, 8)).transpose(*swap)
    assert_close(there(data.transpose(*swap).flatten(1, 3)).unflatten(1, (8, 8, 8)), expected, **CLOSE)


def test_tokens_of_other_windows_change_nothing():
    grid, one = (8, 8), block((8, 8), shifted=False)
    tokens = torch.randn(1, 64, 16)
    other = tokens.clone()
    other[0, 0] = torch.randn(16)
    changed = (one(other) - one(tokens)).abs().amax(dim=2).view(grid) > 1e-6
    assert changed[:4, :4].all()
    assert not changed[4:].any()
    assert not changed[:, 4:].any()


def test_without_gradients_values_stay_what_they_were():
    one, tokens = block(shifted=True), torch.randn(2, 64, 16)
    with torch.no_grad():  # another attention kernel runs, for no bias needs a gradient
        quick = one(tokens)
    assert_close(quick, one(tokens), **CLOSE)


def test_merging_is_timm_s_in_2d():
    torch.manual_seed(0)
    ours, theirs = scrambled(PatchMerging(grid=(4, 6), dim=8)), TimmMerging(8)
    theirs.load_state_dict(ours.state_dict())
    tokens = torch.randn(2, 24, 8)
    assert_close(ours(tokens), theirs(tokens.unflatten(1, (4, 6))).flatten(1, 2), **CLOSE)


def test_merged_cells_have_the_first_axis_fastest():
    data = torch.arange(2 * 4 * 2.0).view(1, 16, 1)
    cells = gather_cells(data, [2, 4, 2])
    at = data.view(2, 4, 2)
    first = [at[d, h, w].item() for w in range(2) for h in range(2) for d in range(2)]
    second = [at[d, 2 + h, w].item() for w in range(2) for h in range(2) for d in range(2)]
    assert cells[0].tolist() == [first, second]


def test_spread_cells_have_the_last_axis_fastest():
    cells = torch.arange(2 * 3 * 4.0).view(1, 6, 4, 1)
    expected = torch.nn.functional.pixel_shuffle(cells.view(2, 3, 4).permute(2, 0, 1), 2)
    assert torch.equal(spread_cells(cells, [2, 3]).view(4, 6), expected[0])
    volume = spread_cells(torch.arange(8.0).view(1, 1, 8, 1), [1, 1, 1])
    assert volume.flatten().tolist() == list(range(8))


@pytest.mark.parametrize("grid", [(4, 6), (2, 4, 2)])
def test_expanding_halves_the_width_and_doubles_every_axis(grid):
    torch.manual_seed(0)
    layer, count = scrambled(PatchExpanding(grid=grid, dim=8)), torch.tensor(grid).prod().item()
    tokens = torch.randn(2, count, 8)
    parts = 2 ** len(grid)
    fine = layer(tokens)
    assert fine.shape == (2, parts * count, 4)
    linear = layer.expand(tokens).unflatten(2, (parts, 4))
    assert_close(fine, layer.norm(spread_cells(linear, list(grid))), **CLOSE)


def test_what_follows_from_sizes_is_in_no_state_dict():
    one = block(shifted=True)
    assert set(one.state_dict()) == set(dict(one.named_parameters()))


def test_a_width_that_heads_do_not_divide_is_refused():
    with pytest.raises(ValueError, match="width 16 is not a multiple of 3 heads"):
        block(num_heads=3)


def test_epsilon_and_width_of_the_mlp_are_choices():
    one = block(norm_eps=1e-3, mlp_ratio=2.0)
    assert (one.norm1.eps, one.norm2.eps, one.mlp.fc1.out_features) == (1e-3, 1e-3, 32)
