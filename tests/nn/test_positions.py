"""Sin-cos tables for any grid, and their resizing."""

from __future__ import annotations

import math

import pytest
import torch
from torch.testing import assert_close

from medmae.nn.positions import resize_positions, sincos_table


def test_a_row_is_the_formula_of_mae_with_the_column_first():
    dim, (height, width) = 16, (3, 5)
    table = sincos_table(grid=(height, width), dim=dim, prefix=1)
    assert table.shape == (1, 1 + height * width, dim)
    frequencies = [10000 ** (-k / (dim / 4)) for k in range(dim // 4)]
    for row in range(height):
        for column in range(width):
            wanted = [f(i * w) for i in (column, row) for f in (math.sin, math.cos) for w in frequencies]
            assert_close(table[0, 1 + row * width + column], torch.tensor(wanted), atol=1e-6, rtol=0)


def test_class_tokens_have_rows_of_zeros():
    table = sincos_table(grid=(2, 2), dim=8, prefix=2)
    assert not table[:, :2].any()
    assert torch.equal(table[:, 2:], sincos_table(grid=(2, 2), dim=8))


def test_first_axis_first_is_the_transposed_table():
    ours = sincos_table(grid=(3, 5), dim=16, axis_order="first_first").reshape(3, 5, 16)
    other = sincos_table(grid=(5, 3), dim=16).reshape(5, 3, 16)
    assert torch.equal(ours, other.transpose(0, 1))
    assert not torch.allclose(ours.reshape(1, 15, 16), sincos_table(grid=(3, 5), dim=16))


@pytest.mark.parametrize("grid", [(7,), (3, 4), (3, 4, 5), (2, 2, 2, 2)])
@pytest.mark.parametrize("dim", [8, 10, 12, 14, 48])
def test_any_even_width_tells_every_token_of_any_grid_apart(grid, dim):
    table = sincos_table(grid=grid, dim=dim)
    assert table.shape == (1, math.prod(grid), dim)
    assert table.dtype == torch.float32
    assert len(table[0].unique(dim=0)) == math.prod(grid)


@pytest.mark.parametrize(("grid", "dim"), [((4, 4), 7), ((4, 4, 4), 4)])
def test_an_odd_or_too_narrow_width_is_refused(grid, dim):
    with pytest.raises(ValueError, match=rf"even width of at least {2 * len(grid)}, got {dim}"):
        sincos_table(grid=grid, dim=dim)


@pytest.mark.parametrize(("old", "new"), [((4,), (9,)), ((4, 4), (6, 3)), ((2, 3, 4), (4, 4, 2))])
def test_a_constant_stays_a_constant_and_class_tokens_are_copied(old, new):
    table = torch.full((1, 1 + math.prod(old), 6), 0.5)
    table[:, 0] = torch.arange(6.0)
    resized = resize_positions(table, old_grid=old, new_grid=new)
    assert resized.shape == (1, 1 + math.prod(new), 6)
    assert torch.equal(resized[:, 0], table[:, 0])
    assert_close(resized[:, 1:], torch.full((1, math.prod(new), 6), 0.5))


def test_resizing_keeps_the_axes_apart():
    """Rows that only tell the first axis still do so on another grid."""
    ramp = torch.arange(4.0).reshape(4, 1).expand(4, 4).reshape(1, 16, 1)
    resized = resize_positions(ramp, old_grid=(4, 4), new_grid=(8, 5), prefix=0).reshape(8, 5)
    assert_close(resized, resized[:, :1].expand(8, 5))
    assert (resized.diff(dim=0) > 0).all()


def test_the_same_grid_changes_nothing():
    table = sincos_table(grid=(4, 4), dim=8, prefix=1)
    assert resize_positions(table, old_grid=(4, 4), new_grid=(4, 4)) is table


def test_a_table_of_another_grid_is_refused():
    with pytest.raises(ValueError, match=r"a table of 17 rows is not 1 \+ a grid of \(4, 5\)"):
        resize_positions(torch.zeros(1, 17, 8), old_grid=(4, 5), new_grid=(6, 6))
