"""Small trainings without Lightning."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from medmae.training.by_epoch import epoch_batches, take_step
from medmae.training.schedule import WarmupCosine


def test_an_epoch_has_every_sample_once_in_batches_of_like_size_at_the_rates_of_the_schedule():
    weights = [torch.nn.Parameter(torch.zeros(1)) for _ in range(2)]
    groups = [{"params": weights[:1]}, {"params": weights[1:], "lr_scale": 0.5}]
    optimizer, schedule, found, rates = torch.optim.SGD(groups, lr=0.0), WarmupCosine(warmup_epochs=1), [], []
    for batch in epoch_batches(
        np.arange(10, 17), epoch=0, epochs=4, batch_size=3, optimizer=optimizer, schedule=schedule, peak=0.6,
        generator=torch.Generator().manual_seed(0),
    ):  # fmt: skip
        found.append(batch)
        rates.append([group["lr"] for group in optimizer.param_groups])
    assert [len(batch) for batch in found] == [3, 2, 2]
    order = np.concatenate(found).tolist()
    assert sorted(order) == list(range(10, 17)) != order
    assert rates == [pytest.approx([rate, rate / 2]) for rate in (0, 0.2, 0.4)]


def test_a_step_knows_no_gradient_but_its_own():
    weight = torch.nn.Parameter(torch.tensor(1.0))
    optimizer = torch.optim.SGD([weight], lr=0.1)
    (5 * weight).backward()
    take_step(optimizer, 2 * weight)
    assert weight.item() == pytest.approx(0.8)
