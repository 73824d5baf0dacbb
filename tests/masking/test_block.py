"""Masking in blocks, with a scattered rest."""

from __future__ import annotations

import pytest
import torch

from medmae.masking import block
from medmae.masking.block import BlockMasking


def seeded(seed):
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def masking():
    return BlockMasking(grid=(14, 14))


def only_blocks(grid, *, share=0.6, **options):
    """A masking that hides what it marks, and nothing else."""
    tokens = torch.Size(grid).numel()
    ratio = round(share * tokens) / tokens
    return BlockMasking(grid=grid, ratio=ratio, rounding="nearest", block_share=share, max_shift=0, **options)


def extents(marked):
    """Extent of what is marked, ``(*grid)``, along each axis."""
    places = marked.nonzero()
    return (places.max(dim=0).values - places.min(dim=0).values + 1).tolist()


def test_the_published_numbers_are_the_defaults(masking):
    assert (masking.num_marked, masking.min_block, masking.max_block) == (120, 16, 60)
    mask = masking.sample(5, generator=seeded(0))
    assert mask.visible.shape == (5, 49)
    assert mask.masked.shape == (5, 147)


def test_every_token_is_visible_or_hidden_once(masking):
    mask = masking.sample(5, generator=seeded(0))
    both = torch.cat([mask.visible, mask.masked], dim=1).sort(dim=1).values
    assert torch.equal(both, torch.arange(196).expand(5, 196))


GRIDS = [(14, 14), (8, 8), (10, 12), (4, 20), (2, 100), (1, 16), (16,), (2, 2), (6, 6, 6), (4, 12, 12), (2, 2, 2)]


@pytest.mark.parametrize("grid", GRIDS)
def test_exactly_as_many_tokens_are_marked_as_wanted_on_any_grid(grid):
    marked = only_blocks(grid).sample(50, generator=seeded(0)).as_bool()
    assert set(marked.sum(dim=1).tolist()) == {round(0.6 * marked.shape[1])}


def test_the_centre_is_marked_far_more_often_than_a_corner(masking):
    marked = only_blocks((14, 14), share=120 / 196).sample(1000, generator=seeded(0)).as_bool().view(-1, 14, 14)
    share = marked.float().mean(dim=0)
    assert share[6:8, 6:8].mean() > 0.85
    assert share[[0, 0, -1, -1], [0, -1, 0, -1]].mean() < 0.15


@pytest.mark.parametrize("shift", range(4))
def test_a_shift_swaps_so_many_marked_tokens_for_others(masking, shift):
    blocks = only_blocks((14, 14), share=120 / 196).sample(3, generator=seeded(0)).as_bool()
    mask = masking.replay(blocks=blocks, noise=torch.rand(3, 196, generator=seeded(1)), shift=shift)
    hidden = mask.as_bool()
    assert (hidden & blocks).sum(dim=1).tolist() == [120 - shift] * 3
    assert (hidden & ~blocks).sum(dim=1).tolist() == [27 + shift] * 3


def test_one_shift_serves_the_whole_batch_and_is_0_to_3(masking, monkeypatch):
    seen = []
    monkeypatch.setattr(masking, "replay", lambda *, blocks, noise, shift: seen.append((len(blocks), shift)))
    for seed in range(40):
        masking.sample(2, generator=seeded(seed))
    assert {size for size, _ in seen} == {2}
    assert {shift for _, shift in seen} == {0, 1, 2, 3}


def test_what_is_visible_of_the_marked_tokens_stands_first(masking):
    blocks = only_blocks((14, 14), share=120 / 196).sample(1, generator=seeded(0)).as_bool()
    mask = masking.replay(blocks=blocks, noise=torch.rand(1, 196, generator=seeded(1)), shift=2)
    assert blocks[0, mask.visible[0]].tolist() == [True, True] + [False] * 47


def test_among_equals_the_largest_noise_comes_first(masking):
    noise = torch.rand(1, 196, generator=seeded(1))
    blocks = torch.zeros(1, 196, dtype=torch.long)
    order = noise.argsort(dim=1, descending=True)
    assert torch.equal(masking.replay(blocks=blocks, noise=noise, shift=0).visible, order[:, :49])


def test_a_ratio_below_the_share_of_blocks_hides_marked_tokens_only():
    blocks = torch.zeros(1, 196, dtype=torch.bool)
    blocks[:, :120] = True
    masking = BlockMasking(grid=(14, 14), ratio=0.5)
    mask = masking.replay(blocks=blocks, noise=torch.rand(1, 196, generator=seeded(0)), shift=3)
    assert mask.num_masked == 98
    assert not (mask.as_bool() & ~blocks).sum() > 3


@pytest.mark.parametrize(
    ("grid", "volume", "edges"),
    [
        ((20, 20), 25, [5, 5]),
        ((10, 40), 100, [5, 20]),
        ((8, 8, 8), 64, [4, 4, 4]),
        ((1, 16), 4, [1, 4]),
        ((16,), 5, [5]),
    ],
)
def test_without_a_stretch_a_block_has_the_proportions_of_the_grid(grid, volume, edges):
    masking = BlockMasking(grid=grid, max_stretch=1.0)
    assert masking._edges(block.random.Random(0), volume) == edges


def test_a_stretch_makes_blocks_longer_one_way_or_the_other():
    masking = only_blocks((40, 40), max_stretch=4.0)
    edges = [masking._edges(block.random.Random(seed), 100.0) for seed in range(300)]
    ratios = [tall / wide for tall, wide in edges]
    assert min(ratios) == pytest.approx(1 / 4, rel=0.2)
    assert max(ratios) == pytest.approx(4, rel=0.2)
    assert all(tall * wide == pytest.approx(100, rel=0.15) for tall, wide in edges)


def test_no_block_spans_an_axis():
    masking = BlockMasking(grid=(6, 6), max_share=0.6)
    assert all(_box_fits(masking, seed) for seed in range(200))


def _box_fits(masking, seed):
    table = torch.from_numpy(masking._table(masking._box(block.random.Random(seed), 0, masking.num_marked)).copy())
    return max(extents(table.view(masking.grid))) < 6


def test_a_single_token_is_taken_where_no_block_fits(monkeypatch):
    monkeypatch.setattr(block, "_TRIES", 0)
    marked = only_blocks((6, 6)).sample(20, generator=seeded(0)).as_bool()
    assert set(marked.sum(dim=1).tolist()) == {22}
    assert len(marked.unique(dim=0)) == 20


def test_samples_differ_and_a_seed_means_a_mask(masking):
    first, second, other = (masking.sample(4, generator=seeded(seed)) for seed in (3, 3, 4))
    assert torch.equal(first.visible, second.visible)
    assert torch.equal(first.masked, second.masked)
    assert not torch.equal(first.as_bool(), other.as_bool())
    assert len(first.as_bool().unique(dim=0)) == 4


def test_given_noise_nothing_is_drawn(masking):
    noise, generator = torch.rand(2, masking.noise_width, generator=seeded(0), dtype=torch.float64), seeded(1)
    before, everywhere = generator.get_state(), torch.get_rng_state()
    first, second = (masking.sample(2, generator=generator, noise=noise) for _ in range(2))
    assert torch.equal(first.masked, second.masked)
    assert torch.equal(generator.get_state(), before)
    assert torch.equal(torch.get_rng_state(), everywhere)


def test_global_random_numbers_play_no_part(masking):
    block.random.seed(0)
    state = block.random.getstate()
    masking.sample(2, generator=seeded(0))
    assert block.random.getstate() == state


def test_noise_of_another_shape_is_refused(masking):
    with pytest.raises(ValueError, match=r"noise must be \(2, 198\), got \(2, 196\)"):
        masking.sample(2, noise=torch.rand(2, 196))


def test_padded_samples_are_refused(masking):
    with pytest.raises(ValueError, match="masking in blocks does not know"):
        masking.sample(2, real=torch.ones(2, 196, dtype=torch.bool))


def test_no_blocks_are_random_masking():
    share = BlockMasking(grid=(14, 14), block_share=0.0).sample(500, generator=seeded(0)).as_bool().float().mean(dim=0)
    assert (share - 0.75).abs().max() < 5 * (0.75 * 0.25 / 500) ** 0.5


@pytest.mark.parametrize(
    "shares", [{"block_share": 1.0}, {"block_share": -0.1}, {"min_share": 0.0}, {"max_share": 0.05}, {"max_share": 1.0}]
)
def test_shares_that_do_not_fit_are_refused(shares):
    with pytest.raises(ValueError, match="shares must be 0 < min_share <= max_share < 1 and 0 <= block_share < 1"):
        BlockMasking(grid=(14, 14), **shares)


@pytest.mark.parametrize("options", [{"max_stretch": 0.5}, {"max_shift": -1}])
def test_a_stretch_below_1_or_a_negative_shift_is_refused(options):
    with pytest.raises(ValueError, match="max_stretch must be at least 1 and max_shift 0"):
        BlockMasking(grid=(14, 14), **options)


@pytest.mark.parametrize("ratio", [0.0, 1.0])
def test_hiding_nothing_or_everything_is_refused(ratio):
    with pytest.raises(ValueError, match="choose a ratio between"):
        BlockMasking(grid=(14, 14), ratio=ratio)
