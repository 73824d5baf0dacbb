"""What a method keeps that tells what belongs together from what does not."""

from __future__ import annotations

import pytest
import torch

from tests.contracts.cases import CONTRASTIVE, seeded

pytestmark = pytest.mark.parametrize("name", CONTRASTIVE)


def shuffled(method, batch):
    """Each kind of data from another sample."""
    return {**batch, **{key: batch[key].roll(place, dims=0) for place, key in enumerate(method.kinds)}}


def test_what_belongs_together_is_learnt_and_what_does_not_has_the_greater_loss(method):
    batch = method.example_batch(6, generator=seeded(1))
    optimiser = torch.optim.Adam(method.parameters(), lr=1e-3)
    first = method(batch, generator=seeded(0)).loss.item()
    for step in range(30):
        optimiser.zero_grad()
        method(batch, generator=seeded(step)).loss.backward()
        optimiser.step()
    learnt = method(batch, generator=seeded(0)).loss.item()
    assert learnt < 0.8 * first
    assert method(shuffled(method, batch), generator=seeded(0)).loss > 1.5 * learnt


def test_one_sample_alone_has_nothing_to_be_told_from_and_is_refused(method):
    with pytest.raises(ValueError, match="more than one sample"):
        method(method.example_batch(1, generator=seeded(1)), generator=seeded(0))


def test_every_kind_influences_the_loss(method, batch):
    before = method(batch, generator=seeded(0)).loss
    for key in method.kinds:
        other = {**batch, key: torch.rand(batch[key].shape, generator=seeded(9))}
        assert not torch.isclose(method(other, generator=seeded(0)).loss, before)
