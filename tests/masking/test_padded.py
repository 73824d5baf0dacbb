"""Masks of samples that differ in length, or hide different numbers of tokens, and of tokens that are replaced."""

from __future__ import annotations

import pytest
import torch

from medmae.masking import Mask

MASKED = torch.tensor(
    [
        [False, True, False, True, True],
        [True, False, False, False, False],
        [False, False, False, False, False],
    ]
)
REAL = torch.tensor(
    [
        [True, True, True, True, True],
        [True, True, True, False, False],
        [True, True, False, False, False],
    ]
)


@pytest.fixture
def mask():
    return Mask.from_bool(MASKED, real=REAL)


def test_rows_are_padded_to_the_longest_and_say_what_counts(mask):
    assert mask.padded
    assert (mask.num_visible, mask.num_masked, mask.num_tokens, mask.skipped) == (2, 3, 5, 0)
    assert mask.visible.tolist() == [[0, 2], [1, 2], [0, 1]]
    assert mask.masked.tolist() == [[1, 3, 4], [0, 0, 0], [0, 0, 0]]
    assert mask.weight.tolist() == [[1, 1, 1], [1, 0, 0], [0, 0, 0]]
    assert mask.real.all()


def test_a_sample_with_fewer_visible_tokens_repeats_one_that_does_not_count():
    mask = Mask.from_bool(torch.tensor([[True, False, True], [True, False, False]]))
    assert mask.visible.tolist() == [[1, 1], [1, 2]]
    assert mask.real.tolist() == [[True, False], [True, True]]
    assert mask.as_bool().tolist() == [[True, False, True], [True, False, False]]


def test_padding_is_hidden_but_not_decoded(mask):
    assert torch.equal(mask.as_bool(), MASKED | ~REAL)
    assert torch.equal(mask.decoded(), MASKED)


def test_of_equal_counts_nothing_is_padded_unless_something_is_not_real():
    mask = Mask.from_bool(torch.tensor([[True, False, False], [False, True, False]]))
    assert not mask.padded
    assert mask.entries is None
    assert torch.equal(mask.decoded(), mask.as_bool())
    real = torch.tensor([[True, True, False]])
    shorter = Mask.from_bool(torch.tensor([[True, False, False]]), real=real)
    assert (shorter.padded, shorter.skipped) == (True, 0)
    assert shorter.decoded().tolist() == [[True, False, False]]


def test_restoring_puts_every_row_back_and_zeros_on_padding(mask):
    tokens = torch.randn(3, 5, 2)
    restored = mask.restore(mask.keep(tokens), mask.hidden(tokens))
    assert torch.equal(restored, tokens * REAL.unsqueeze(2))
    fill = torch.full((1, 1, 2), 7.0)
    assert torch.equal(mask.restore(mask.keep(tokens), fill)[MASKED], torch.full((4, 2), 7.0))


def test_dropped_tokens_leave_the_sequence_and_replaced_ones_stay_in_it(mask):
    assert mask.key_mask().tolist() == [[True, True]] * 3
    assert mask.key_mask(prefix=1, suffix=1).tolist() == [[True] * 4] * 3
    replaced = Mask.from_bool(MASKED, real=REAL, replaced=True)
    assert torch.equal(replaced.key_mask(), REAL)
    assert replaced.key_mask(prefix=1)[:, 0].all()
    assert replaced.key_mask(suffix=1)[:, -1].all()
    assert mask.entries.tolist() == [[True] * 5, [True, True, True, False, False], [True, True, False, False, False]]


def test_where_all_samples_are_of_one_length_attention_reads_everything():
    equal = torch.tensor([[True, False, False], [False, True, False]])
    assert Mask.from_bool(equal).key_mask(prefix=1) is None
    assert Mask.from_bool(equal, replaced=True).key_mask(prefix=1) is None


def test_one_sample_of_it_and_a_move_take_everything_along(mask):
    first = mask.of_sample(1)
    assert first.weight.tolist() == [[1, 0, 0]]
    assert first.real.tolist() == [[True, True]]
    moved = mask.to("meta")
    assert {table.device.type for table in (moved.visible, moved.masked, moved.real, moved.weight)} == {"meta"}


def test_the_complete_mask_of_replaced_tokens_replaces_them_too():
    noise = torch.rand(2, 6)
    few = Mask.from_noise(noise, num_visible=2, num_decoded=1)
    assert few.complete().num_masked == 4
    assert not few.complete().replaced
    replaced = Mask(few.visible, few.masked, 6, few.skipped, replaced=True)
    assert replaced.complete().replaced
    assert torch.equal(replaced.complete().visible, few.visible)


def test_a_sample_without_a_visible_token_is_refused_and_a_batch_without_a_masked_one():
    for table in (torch.tensor([[True, True], [True, False]]), torch.zeros(2, 2, dtype=torch.bool)):
        with pytest.raises(ValueError, match="some tokens of each sample must be visible, and some masked"):
            Mask.from_bool(table)


def test_padding_that_is_only_half_said_is_refused():
    visible, masked = torch.tensor([[0, 1]]), torch.tensor([[2]])
    with pytest.raises(ValueError, match=r"needs weight \(1, 1\), got None"):
        Mask(visible, masked, 3, real=torch.ones(1, 2, dtype=torch.bool))
    with pytest.raises(ValueError, match=r"needs real \(1, 2\), got \(1, 1\)"):
        Mask(visible, masked, 3, real=torch.ones(1, 1, dtype=torch.bool), weight=torch.ones(1, 1))
    with pytest.raises(ValueError, match="leave skipped at 0"):
        Mask(visible, masked, 4, 1, real=torch.ones(1, 2, dtype=torch.bool), weight=torch.ones(1, 1))


def test_padding_of_samples_that_are_all_of_one_length_is_neither_hidden_nor_in_need_of_a_row():
    real = torch.tensor([[True, True, True, False, False]] * 2)
    mask = Mask.from_bool(torch.tensor([[False, True, False, False, False]] * 2), real=real, replaced=True)
    rows = mask.restore(torch.ones(2, 2, 1), torch.full((2, 1, 1), 2.0))
    assert rows[0, :, 0].tolist() == [1, 2, 1, 0, 0]
    assert mask.complete().decoded().tolist() == mask.decoded().tolist() == [[False, True, False, False, False]] * 2
    present = mask.key_mask()
    assert present is not None
    assert present.tolist() == real.tolist()
