"""Whole lines of a grid are hidden."""

from __future__ import annotations

import pytest
import torch

from medmae.masking.lines import LineMasking


def seeded(seed):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize(
    ("grid", "ratios", "kept"),
    [((64, 8), (0.7, 0.3), 95), ((64, 8), (0.2, 0.2), 306), ((4, 14, 14), (0.5, 0.5, 0.5), 98), ((6,), (0.5,), 3)],
)
def test_a_token_is_seen_where_no_axis_hides_it(grid, ratios, kept):
    mask = LineMasking(grid=grid, ratios=ratios).sample(3, generator=seeded(0))
    assert mask.num_visible == kept
    seen = ~mask.as_bool().reshape(3, *grid)
    lines = torch.ones_like(seen)
    for axis in range(1, 1 + len(grid)):
        others = [other for other in range(1, 1 + len(grid)) if other != axis]
        lines &= seen.amax(dim=others, keepdim=True) if others else seen
    assert torch.equal(seen, lines)
    assert not torch.equal(seen[0], seen[1])


def test_tokens_are_in_raster_order_and_an_axis_of_ratio_0_hides_nothing():
    mask = LineMasking(grid=(5, 4), ratios=(0.6, 0.0)).sample(2, generator=seeded(1))
    assert torch.equal(mask.visible, mask.visible.sort(dim=1).values)
    rows = (~mask.as_bool()).reshape(2, 5, 4)
    assert torch.equal(rows.all(dim=2), rows.any(dim=2))
    assert torch.equal(rows.all(dim=2).sum(dim=1), torch.tensor([2, 2]))


@pytest.mark.parametrize(
    ("ratios", "match"), [((0.5,), "a ratio for each axis"), ((0.0, 0.0), "not all of them 0"), ((0.99, 0.1), "0.99")]
)
def test_ratios_that_hide_nothing_or_all_are_refused(ratios, match):
    with pytest.raises(ValueError, match=match):
        LineMasking(grid=(5, 4), ratios=ratios)
