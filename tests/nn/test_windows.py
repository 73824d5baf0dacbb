"""Windows of tokens: which share one, and where they stand in it."""

from __future__ import annotations

import itertools

import pytest
import torch
from timm.models.swin_transformer import SwinTransformerBlock, get_relative_position_index

from medmae.nn.windows import relative_positions, shift_mask, window_extents, window_order, window_shift

GRIDS = [((16, 16), (4, 4)), ((8, 12), (4, 3)), ((4, 8, 8), (4, 4, 4)), ((6, 4, 9), (3, 2, 3)), ((12,), (4,))]


def places(grid):
    """Coordinates of each token, ``(N, n)``."""
    return torch.tensor(list(itertools.product(*(range(length) for length in grid))))


@pytest.mark.parametrize(
    ("grid", "limit", "expected"),
    [
        ((32, 32), 8, (8, 8)),
        ((8, 8), 8, (8, 8)),
        ((4, 4), 8, (4, 4)),
        ((28, 28), 8, (7, 7)),
        ((2, 6, 12), 4, (2, 3, 4)),
        ((1, 3, 3), 4, (1, 3, 3)),
    ],
)
def test_a_window_is_the_longest_that_tiles_an_axis(grid, limit, expected):
    assert window_extents(grid, limit=limit) == expected


def test_a_grid_that_only_single_tokens_tile_is_refused():
    with pytest.raises(ValueError, match=r"no window of 2 to 4 tokens tiles a grid of \(8, 7\)"):
        window_extents((8, 7), limit=4)


def test_a_window_without_tokens_is_refused():
    with pytest.raises(ValueError, match="window_size must be at least 1, got 0"):
        window_extents((8, 8), limit=0)


def test_the_shift_is_half_a_window_but_none_where_there_is_one_window():
    assert window_shift((16, 16), (8, 8)) == (4, 4)
    assert window_shift((8, 16, 9), (8, 4, 3)) == (0, 2, 1)


@pytest.mark.parametrize(("grid", "window"), GRIDS)
@pytest.mark.parametrize("shifted", [False, True])
def test_every_token_is_in_one_window_and_windows_are_blocks_of_the_shifted_grid(grid, window, shifted):
    shift = window_shift(grid, window) if shifted else (0,) * len(grid)
    order = window_order(grid, window, shift)
    assert torch.equal(order.flatten().sort().values, torch.arange(len(places(grid))))
    back = (places(grid)[order] - torch.tensor(shift)) % torch.tensor(grid)  # (W, L, n), in the shifted grid
    extent = back.amax(dim=1) - back.amin(dim=1) + 1
    assert (extent == torch.tensor(window)).all()


@pytest.mark.parametrize(("grid", "window"), GRIDS)
def test_tokens_of_a_shifted_window_see_each_other_unless_the_shift_alone_brought_them_together(grid, window):
    shift = window_shift(grid, window)
    order = window_order(grid, window, shift)
    where = places(grid)[order]  # (W, L, n)
    near = ((where.unsqueeze(2) - where.unsqueeze(1)).abs() < torch.tensor(window)).all(dim=3)
    assert torch.equal(shift_mask(grid, window, shift), torch.where(near, 0.0, -100.0))


def test_without_a_shift_nothing_is_kept_apart():
    assert shift_mask((8, 8), (4, 4), (0, 0)) is None


def test_in_2d_mask_and_offsets_are_those_of_timm():
    theirs = SwinTransformerBlock(8, (16, 12), num_heads=2, window_size=4, shift_size=2)
    assert torch.equal(shift_mask((16, 12), (4, 4), (2, 2)), theirs.attn_mask)
    assert torch.equal(relative_positions((3, 4)), get_relative_position_index(3, 4))


@pytest.mark.parametrize("window", [(4,), (3, 4), (2, 3, 2)])
def test_pairs_of_tokens_share_a_row_of_the_table_exactly_if_their_offsets_are_equal(window):
    rows, where = relative_positions(window), places(window)
    offsets = (where.unsqueeze(1) - where.unsqueeze(0)).flatten(0, 1).tolist()
    pairs = set(zip(map(tuple, offsets), rows.flatten().tolist(), strict=True))
    count = torch.tensor(window).mul(2).sub(1).prod()
    assert len(pairs) == len({row for _, row in pairs}) == len({offset for offset, _ in pairs}) == count
    assert {row for _, row in pairs} == set(range(count))
