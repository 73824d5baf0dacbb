"""The momentum teacher."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from medmae.nn.ema import EMATeacher


@pytest.fixture
def student():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Dropout(0.9))


def moved(student):
    """The student after a step of training."""
    with torch.no_grad():
        for parameter in student.parameters():
            parameter += torch.randn_like(parameter)
    student(torch.randn(8, 3) + 5)
    return student


@pytest.mark.parametrize("momentum", [0.0, 0.9, 1.0])
def test_parameters_are_averaged(student, momentum):
    teacher = EMATeacher(student=student)
    before = [p.clone() for p in teacher.network.parameters()]
    teacher.update(moved(student), momentum=momentum)
    for old, new, now in zip(before, student.parameters(), teacher.network.parameters(), strict=True):
        assert_close(now.detach(), momentum * old + (1 - momentum) * new.detach())


def test_buffers_are_copied(student):
    teacher = EMATeacher(student=student)
    teacher.update(moved(student), momentum=0.9)
    assert student[1].running_mean.any()
    assert torch.equal(teacher.network[1].running_mean, student[1].running_mean)
    assert teacher.network[1].num_batches_tracked == 1


def test_the_teacher_is_a_copy_that_training_the_student_does_not_move(student):
    teacher = EMATeacher(student=student)
    before = [p.clone() for p in teacher.network.parameters()]
    moved(student)
    assert all(torch.equal(a, b) for a, b in zip(before, teacher.network.parameters(), strict=True))


def test_the_teacher_gets_no_gradient(student):
    teacher = EMATeacher(student=student)
    assert not teacher(torch.randn(2, 3, requires_grad=False)).requires_grad
    assert not any(p.requires_grad for p in teacher.parameters())
    assert all(p.requires_grad for p in student.parameters())


def test_the_teacher_stays_in_evaluation_mode(student):
    teacher = EMATeacher(student=student)
    nn.ModuleList([teacher]).train()
    assert not any(module.training for module in teacher.modules())
    data = torch.randn(2, 3)
    assert torch.equal(teacher(data), teacher(data))  # nothing is dropped


@pytest.mark.parametrize("momentum", [-0.1, 1.1, float("nan")])
def test_a_momentum_outside_0_to_1_is_refused(student, momentum):
    with pytest.raises(ValueError, match=rf"must lie in \[0, 1\], got {momentum}"):
        EMATeacher(student=student).update(student, momentum=momentum)
