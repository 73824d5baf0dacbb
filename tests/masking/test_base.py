"""One rounding rule, one value type."""

from __future__ import annotations

import pytest
import torch
from torch.testing import assert_close

from medmae.masking import Mask, visible_count
from medmae.masking.base import decoded_count, gather_tokens


@pytest.fixture
def mask():
    noise = torch.rand(3, 10, generator=torch.Generator().manual_seed(0))
    return Mask.from_noise(noise, num_visible=4)


@pytest.mark.parametrize(
    ("tokens", "ratio", "kept"),
    [
        (100, 0.9, 9),
        (50, 0.8, 9),
        (196, 0.9, 19),
        (1000, 0.9, 99),
        (196, 0.75, 49),
        (1024, 0.7, 307),
        (256, 0.7, 76),
        (16, 0.6, 6),
    ],
)
def test_truncating_what_is_visible_is_the_floating_point_of_mae(tokens, ratio, kept):
    assert visible_count(num_tokens=tokens, ratio=ratio) == kept


@pytest.mark.parametrize(("tokens", "ratio", "kept"), [(100, 0.9, 10), (50, 0.8, 10), (196, 0.9, 20), (1000, 0.9, 100)])
def test_nearest_rounding_keeps_what_the_ratio_says(tokens, ratio, kept):
    assert visible_count(num_tokens=tokens, ratio=ratio, rounding="nearest") == kept


@pytest.mark.parametrize("ratio", [0.0, 0.95, 1.0, -0.5, 1.5])
def test_a_ratio_that_leaves_no_or_every_token_visible_is_refused_with_the_range(ratio):
    with pytest.raises(ValueError, match=rf"ratio of {ratio} leaves .* of 16 tokens .* between 0.0625 and 0.9375"):
        visible_count(num_tokens=16, ratio=ratio)


def test_the_tokens_of_smallest_noise_stay_visible_in_ascending_order():
    noise = torch.tensor([[0.4, 0.1, 0.9, 0.3], [0.2, 0.8, 0.5, 0.6]])
    mask = Mask.from_noise(noise, num_visible=2)
    assert mask.visible.tolist() == [[1, 3], [0, 2]]
    assert mask.masked.tolist() == [[0, 2], [3, 1]]


def test_the_mask_is_the_rank_threshold_of_the_noise():
    noise = torch.rand(5, 50, generator=torch.Generator().manual_seed(1))
    mask = Mask.from_noise(noise, num_visible=20)
    rank = (noise.unsqueeze(2) > noise.unsqueeze(1)).sum(dim=2)
    assert torch.equal(mask.as_bool(), rank >= 20)


def test_visible_and_masked_are_all_tokens_once(mask):
    order = torch.cat([mask.visible, mask.masked], dim=1).sort(dim=1).values
    assert torch.equal(order, torch.arange(10).expand(3, 10))
    assert (mask.num_tokens, mask.num_visible, mask.num_masked) == (10, 4, 6)


def test_a_table_and_back_is_the_same_table(mask):
    again = Mask.from_bool(mask.as_bool())
    assert torch.equal(again.as_bool(), mask.as_bool())
    assert torch.equal(again.visible, mask.visible.sort(dim=1).values)


def test_true_means_masked():
    mask = Mask.from_bool(torch.tensor([[True, False, True]]))
    assert mask.visible.tolist() == [[1]]
    assert mask.masked.tolist() == [[0, 2]]


def test_indices_that_do_not_add_up_are_refused():
    with pytest.raises(ValueError, match="2 visible \\+ 1 masked tokens are not 4"):
        Mask(torch.tensor([[0, 1]]), torch.tensor([[2]]), 4)


def test_batches_that_differ_are_refused():
    with pytest.raises(ValueError, match="1 rows of visible but 2 of masked"):
        Mask(torch.tensor([[0]]), torch.tensor([[1], [1]]), 2)


def test_restoring_what_was_kept_and_hidden_is_the_identity(mask):
    tokens = torch.randn(3, 10, 5)
    assert mask.keep(tokens).shape == (3, 4, 5)
    assert mask.hidden(tokens).shape == (3, 6, 5)
    assert torch.equal(mask.restore(mask.keep(tokens), mask.hidden(tokens)), tokens)


def test_one_fill_serves_every_masked_token(mask):
    tokens, fill = torch.randn(3, 10, 5), torch.full((1, 1, 5), 7.0)
    restored = mask.restore(mask.keep(tokens), fill)
    assert torch.equal(restored, torch.where(mask.as_bool().unsqueeze(2), fill, tokens))


def test_gradients_reach_what_was_restored(mask):
    visible, fill = torch.randn(3, 4, 5, requires_grad=True), torch.randn(1, 1, 5, requires_grad=True)
    mask.restore(visible, fill).sum().backward()
    assert_close(visible.grad, torch.ones(3, 4, 5))
    assert_close(fill.grad, torch.full((1, 1, 5), 18.0))


def test_a_table_shared_by_the_batch_gathers_as_if_repeated(mask):
    table = torch.randn(1, 10, 5)
    assert torch.equal(gather_tokens(table, mask.visible), gather_tokens(table.repeat(3, 1, 1), mask.visible))


def test_a_mask_moves_whole(mask):
    moved = mask.to("meta")
    assert moved.visible.device.type == moved.masked.device.type == "meta"
    assert moved.num_tokens == 10


@pytest.fixture
def partial():
    noise = torch.rand(3, 10, generator=torch.Generator().manual_seed(0))
    return Mask.from_noise(noise, num_visible=4, num_decoded=2)


def test_a_subset_of_hidden_tokens_leaves_the_visible_ones_as_they_were(mask, partial):
    assert torch.equal(partial.visible, mask.visible)
    assert torch.equal(partial.masked, mask.masked[:, :2])
    assert (partial.num_masked, partial.skipped, partial.num_tokens) == (2, 4, 10)


def test_what_is_hidden_is_hidden_whether_decoded_or_not(mask, partial):
    assert torch.equal(partial.as_bool(), mask.as_bool())


def test_a_subset_completed_masks_every_hidden_token(mask, partial):
    complete = partial.complete()
    assert (complete.num_masked, complete.skipped) == (6, 0)
    assert torch.equal(complete.visible, mask.visible)
    assert torch.equal(complete.masked, mask.masked.sort(dim=1).values)
    assert mask.complete() is mask


def test_nothing_is_restored_from_a_subset(partial):
    with pytest.raises(ValueError, match=r"4 hidden tokens are not decoded.*complete\(\) first"):
        partial.restore(torch.randn(3, 4, 5), torch.zeros(1, 1, 5))


def test_a_subset_moves_whole(partial):
    assert partial.to("meta").skipped == 4


def test_a_mask_that_decodes_nothing_is_refused():
    with pytest.raises(ValueError, match="0 tokens to decode and 2 skipped"):
        Mask(torch.tensor([[0, 1]]), torch.empty(1, 0, dtype=torch.int64), 4, skipped=2)


def test_skipped_tokens_must_add_up_too():
    with pytest.raises(ValueError, match="2 visible \\+ 1 masked \\+ 2 skipped tokens are not 4"):
        Mask(torch.tensor([[0, 1]]), torch.tensor([[2]]), 4, skipped=2)


@pytest.mark.parametrize(("share", "decoded"), [(1.0, 147), (0.5, 74), (1 / 3, 49), (0.25, 37), (1 / 147, 1)])
def test_a_share_is_rounded_to_the_nearest_count(share, decoded):
    assert decoded_count(num_masked=147, share=share) == decoded


@pytest.mark.parametrize(
    ("tokens", "ratio", "kept"), [(196, 0.75, 49), (196, 0.9, 20), (196, 0.95, 10), (100, 0.29, 72)]
)
def test_truncating_what_is_hidden_is_the_floating_point_of_videomae(tokens, ratio, kept):
    assert visible_count(num_tokens=tokens, ratio=ratio, rounding="truncate_hidden") == kept
