"""A teacher that was handed in: it does not learn, and its student's files do not carry it."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from medmae.nn.teacher import FrozenTeacher


@pytest.fixture
def student():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Dropout(0.5))
    return nn.ModuleDict({"own": nn.Linear(3, 4), "teacher": FrozenTeacher(network)})


def test_it_is_never_in_training_mode_and_gives_no_gradient(student):
    data = torch.randn(5, 3, requires_grad=True)
    student.train()
    assert not any(part.training for part in student["teacher"].modules())
    first, second = student["teacher"](data), student["teacher"](data)
    assert torch.equal(first, second)
    assert not first.requires_grad


def test_a_state_holds_the_student_alone_and_loads_strictly(student):
    state = student.state_dict()
    assert set(state) == {"own.weight", "own.bias"}
    twin = copy.deepcopy(student)
    with torch.no_grad():
        twin["own"].weight.zero_()
        twin["teacher"].network[0].weight.zero_()
    twin.load_state_dict(state)
    assert torch.equal(twin["own"].weight, student["own"].weight)
    assert not twin["teacher"].network[0].weight.any()  # its own, still


def test_what_else_is_missing_is_missed(student):
    with pytest.raises(RuntimeError, match=r"own\.bias"):
        student.load_state_dict({"own.weight": student["own"].weight})


def test_it_moves_with_its_student(student):
    student.to("meta")
    assert student["teacher"].network[0].weight.device.type == "meta"
