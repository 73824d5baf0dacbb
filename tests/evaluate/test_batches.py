"""The one loop over samples that are evaluated, and what of them cannot be read."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import ConcatDataset, Subset

from medmae.errors import DataError
from medmae.evaluate.batches import each_batch
from medmae.evaluate.classify.predict import predict


class Numbers:
    """Sample i is i, and cannot be read if it is among the bad ones."""

    def __init__(self, *bad):
        self.bad = set(bad)

    def __len__(self):
        return 7

    def __getitem__(self, number):
        if number in self.bad:
            raise DataError("torn", path=f"{number}.npy")
        return {"image": torch.full((1, 2, 2), float(number)), "name": f"sample {number}"}

    def describe(self, number):
        return {"case": f"c{number}"}


def test_samples_come_in_order_and_each_once():
    found = [(numbers, batch["image"][:, 0, 0, 0].tolist()) for numbers, batch in each_batch(Numbers(), batch_size=3)]
    assert found == [([0, 1, 2], [0, 1, 2]), ([3, 4, 5], [3, 4, 5]), ([6], [6])]


def test_what_cannot_be_read_is_warned_of_by_name_noted_and_not_replaced():
    lost = {}
    with pytest.warns(UserWarning, match=r"sample 4 \(case c4\) is left out: 4\.npy: torn"):
        found = [numbers for numbers, _ in each_batch(Numbers(3, 4, 5), batch_size=3, left_out=lost)]
    assert found == [[0, 1, 2], [6]]
    assert lost == {3: "3.npy: torn", 4: "4.npy: torn", 5: "5.npy: torn"}


def test_some_samples_are_taken_in_the_order_in_which_they_are_named():
    ((numbers, batch),) = each_batch(Numbers(), numbers=[5, 1])
    assert (numbers, batch["image"][:, 0, 0, 0].tolist()) == ([5, 1], [5, 1])


@pytest.mark.parametrize("workers", [0, 1])
def test_worker_processes_and_torch_s_own_draws_make_no_difference(workers):
    torch.manual_seed(0)
    before = torch.get_rng_state()
    with pytest.warns(UserWarning, match="left out"):
        found = [numbers for numbers, _ in each_batch(Numbers(2), batch_size=4, workers=workers)]
    assert found == [[0, 1, 3], [4, 5, 6]]
    assert torch.equal(before, torch.get_rng_state())


class Views(Numbers):
    """Two views of each sample; the second is greater by 10."""

    def __getitem__(self, number):
        image = super().__getitem__(number)["image"]
        return {"image": torch.stack([image, image + 10]), "views": 2}


def test_predictions_of_the_views_of_a_sample_are_averaged_after_the_link():
    network = nn.Flatten(1)
    said = predict(network, Views(), [3, 1], name="image", link=lambda outputs: outputs[:, :1] ** 2)
    np.testing.assert_allclose(said, [[(3**2 + 13**2) / 2], [(1 + 11**2) / 2]])


def test_no_more_views_come_at_once_than_samples_would():
    views = Views()
    views.views = 2
    both = ConcatDataset([Numbers(), views])
    for samples, numbers in ((views, None), (Subset(views, range(7)), None), (both, range(7, 14))):
        batches = each_batch(samples, numbers=numbers, batch_size=4)
        assert [len(batch["image"]) for _, batch in batches] == [2, 2, 2, 1]


def test_a_sample_that_is_gone_after_it_was_read_once_is_an_error():
    with pytest.warns(UserWarning, match="left out"), pytest.raises(DataError, match="1 samples could be read before"):
        predict(nn.Flatten(1), Numbers(2), [0, 2], name="image")
