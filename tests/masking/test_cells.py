"""Masking in cells of tokens."""

from __future__ import annotations

import pytest
import torch

from medmae.masking.cells import CellMasking
from medmae.masking.random import RandomMasking


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def test_a_grid_of_14_x_14_shows_17_of_49_cells():
    masking = CellMasking(grid=(14, 14), ratio=0.65)
    mask = masking.sample(2, generator=seeded())
    assert (masking.num_cells, masking.num_visible) == (49, 17)
    assert (mask.num_visible, mask.num_masked, mask.num_tokens) == (68, 128, 196)


@pytest.mark.parametrize(
    ("grid", "cell"), [((14, 14), 2), ((6, 4), (3, 2)), ((4, 6, 8), 2), ((2, 8, 8), (1, 4, 2)), ((12,), 3)]
)
def test_tokens_of_a_cell_share_its_fate_on_any_grid(grid, cell):
    masking = CellMasking(grid=grid, cell=cell, ratio=0.5)
    table = masking.sample(5, generator=seeded()).as_bool().unflatten(1, grid)
    for axis, edge in enumerate(masking.cell):
        table = torch.stack(table.unflatten(axis + 1, (-1, edge)).unbind(axis + 2), dim=-1)
    cells = table.flatten(len(grid) + 1).flatten(1, len(grid))  # (B, cells, tokens of a cell)
    assert cells.shape[1:] == (masking.num_cells, masking.num_tokens // masking.num_cells)
    assert torch.equal(cells.all(dim=2), cells.any(dim=2))
    assert cells[..., 0].sum(dim=1).tolist() == [masking.num_cells - masking.num_visible] * 5


def test_samples_of_a_batch_get_masks_of_their_own():
    tables = CellMasking(grid=(8, 8), ratio=0.65).sample(20, generator=seeded()).as_bool()
    assert len(tables.unique(dim=0)) == 20


def test_every_cell_is_hidden_as_often():
    hidden = CellMasking(grid=(8, 8), ratio=0.5).sample(4000, generator=seeded()).as_bool().float().mean(dim=0)
    assert hidden.min() > 0.45
    assert hidden.max() < 0.55


def test_the_cells_with_the_smallest_noise_stay_visible():
    noise = torch.tensor([[0.9, 0.1, 0.5, 0.2]])  # of cells in raster order
    mask = CellMasking(grid=(2, 4), cell=(1, 2), ratio=0.5).sample(1, noise=noise)
    assert mask.as_bool().tolist() == [[True, True, False, False, True, True, False, False]]


def test_cells_of_one_token_are_random_masking():
    noise = torch.rand(3, 196, generator=seeded())
    cells, random = CellMasking(grid=(14, 14), cell=1, ratio=0.75), RandomMasking(num_tokens=196, ratio=0.75)
    assert torch.equal(cells.sample(3, noise=noise).as_bool(), random.sample(3, noise=noise).as_bool())


def test_a_grid_that_cells_do_not_tile_is_refused():
    with pytest.raises(ValueError, match=r"cells of \(2, 2\) tokens do not tile a grid of \(7, 8\)"):
        CellMasking(grid=(7, 8), ratio=0.65)


def test_padded_samples_and_noise_of_another_shape_are_refused():
    masking = CellMasking(grid=(4, 4), ratio=0.5)
    with pytest.raises(ValueError, match="samples are padded"):
        masking.sample(1, real=torch.ones(1, 16, dtype=torch.bool))
    with pytest.raises(ValueError, match=r"noise must be \(1, 4\), got \(1, 16\)"):
        masking.sample(1, noise=torch.rand(1, 16))
