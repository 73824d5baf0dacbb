"""What a method keeps that learns from another network: the teacher does not learn, and whose state it is shows."""

from __future__ import annotations

import copy

import pytest
import torch

from tests.contracts.cases import DISTILLED, seeded

pytestmark = pytest.mark.parametrize("name", DISTILLED)


def test_teachers_are_parts_by_their_names_and_get_no_gradient(method, batch):
    method(batch, generator=seeded(0)).loss.backward()
    for part, teacher in method.teachers.items():
        assert method.get_submodule(part) is teacher
        assert [key for key, p in teacher.named_parameters() if p.requires_grad or p.grad is not None] == []


def test_the_teacher_influences_the_loss_and_no_prediction(method, batch):
    before = method(batch, generator=seeded(0))
    with torch.no_grad():
        for parameter in (p for teacher in method.teachers.values() for p in teacher.parameters()):
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=seeded(3)))
    after = method(batch, generator=seeded(0))
    assert not torch.equal(after.loss, before.loss)
    assert all(torch.equal(after.prediction[key], prediction) for key, prediction in before.prediction.items())


def test_a_teacher_that_was_handed_in_is_not_in_the_state_and_any_other_is(method):
    state = method.state_dict()
    for part, teacher in method.teachers.items():
        names = {f"{part}.{key}" for key, _ in teacher.named_parameters()}
        assert names
        assert names & state.keys() == (set() if "teacher" in method.needs else names)


def test_states_load_strictly_with_or_without_the_teacher(method):
    twin = copy.deepcopy(method)
    twin.load_state_dict(method.state_dict())
    with pytest.raises(RuntimeError, match="Missing"):
        twin.load_state_dict(dict(list(method.state_dict().items())[1:]))
