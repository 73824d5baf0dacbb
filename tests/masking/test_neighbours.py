"""Hidden tokens from visible ones by distance alone."""

from __future__ import annotations

import torch
from torch.testing import assert_close

from medmae.masking import Mask
from medmae.masking.neighbours import from_visible


def test_a_hidden_token_between_two_is_their_mean():
    mask = Mask.from_bool(torch.tensor([[False, True, False]]))
    assert_close(from_visible(torch.tensor([[[1.0], [3.0]]]), mask, grid=(3,)), torch.tensor([[[2.0]]]))


def test_the_nearest_leads_and_samples_have_their_own_masks():
    mask = Mask.from_bool(torch.tensor([[False, True, True, False], [True, False, False, True]]))
    values = torch.tensor([[[0.0], [1.0]], [[5.0], [7.0]]])
    near_0, near_1 = 1 / 17, 16 / 17  # 1 / 2**4 against 1
    wanted = torch.tensor([[[near_0], [near_1]], [[5 * near_1 + 7 * near_0], [5 * near_0 + 7 * near_1]]])
    assert_close(from_visible(values, mask, grid=(4,)), wanted)


def test_what_is_the_same_everywhere_stays_the_same_on_any_grid():
    table = torch.rand(2, 24, generator=torch.Generator().manual_seed(0)).argsort(dim=1) < 18
    mask = Mask.from_bool(table)
    assert_close(from_visible(torch.full((2, 6, 3), 0.7), mask, grid=(2, 3, 4)), torch.full((2, 18, 3), 0.7))
