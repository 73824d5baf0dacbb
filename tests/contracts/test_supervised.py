"""What a method keeps that is told what to find: the target is needed, and is no input."""

from __future__ import annotations

import pytest
import torch
from torch.testing import assert_close

from tests.contracts.cases import SUPERVISED, seeded

pytestmark = pytest.mark.parametrize("name", SUPERVISED)


def test_the_target_does_not_influence_the_prediction(method, batch):
    other = {**batch, "target": torch.rand(batch["target"].shape, generator=seeded(9))}
    before, after = (method(some, generator=seeded(5)) for some in (batch, other))
    assert before.prediction
    assert all(torch.equal(after.prediction[key], prediction) for key, prediction in before.prediction.items())
    assert not torch.equal(after.loss, before.loss)


def test_a_batch_without_a_target_is_refused(method, batch):
    with pytest.raises(ValueError, match='needs "target"'):
        method({key: value for key, value in batch.items() if key != "target"}, generator=seeded(0))


def test_the_gradient_of_the_target_s_loss_reaches_every_encoder(method, batch):
    method(batch, generator=seeded(0)).loss.backward()
    for encoder in method.encoders.values():
        assert any(parameter.grad is not None and parameter.grad.any() for parameter in encoder.parameters())


def test_the_input_influences_the_prediction_of_its_own_sample_alone(method, batch):
    changed = dict(batch)
    for key in method.kinds:
        changed[key] = batch[key].clone()
        changed[key][0] = torch.rand(batch[key][0].shape, generator=seeded(9))
    method.eval()  # in training, batch norms (heads of action units) see the whole batch, and are to
    before, after = (method(some, generator=seeded(5)) for some in (batch, changed))
    for key, prediction in before.prediction.items():
        assert not torch.allclose(after.prediction[key][0], prediction[0], atol=1e-6)
        assert_close(after.prediction[key][1:], prediction[1:], atol=1e-6, rtol=0)
