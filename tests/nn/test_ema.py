"""The momentum teacher."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from medmae.nn.ema import EMATeacher, cosine_momentum, ramped_momentum


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


def test_parameters_are_found_by_name_where_the_copy_has_lost_a_part(student):
    teacher = EMATeacher(student=student)
    before = teacher.network[1].weight.clone()
    teacher.network[0] = nn.Identity()  # the first, so that a match by order would be wrong
    moved(student)
    teacher.update(student, momentum=0.9)
    assert_close(teacher.network[1].weight.detach(), 0.9 * before + 0.1 * student[1].weight.detach())
    assert torch.equal(teacher.network[1].running_mean, student[1].running_mean)


def test_a_teacher_with_statistics_of_its_own_trains_as_its_student_does(student):
    teacher = EMATeacher(student=student, own_statistics=True)
    pair = nn.ModuleList([student, teacher])
    for mode in (True, False):
        pair.train(mode)
        assert {module.training for module in teacher.modules()} == {mode}
    assert not any(parameter.requires_grad for parameter in teacher.parameters())


def test_a_teacher_with_statistics_of_its_own_keeps_them(student):
    teacher = EMATeacher(student=student, own_statistics=True)
    teacher(torch.randn(8, 3) - 5)
    mean = teacher.network[1].running_mean.clone()
    teacher.update(moved(student), momentum=0.0)
    assert torch.equal(teacher.network[1].running_mean, mean)
    assert torch.equal(teacher.network[0].weight, student[0].weight)


def test_the_momentum_of_a_cosine_goes_from_its_first_to_its_last_value():
    rates = [cosine_momentum(first=0.99, last=1.0, progress=share) for share in (0.0, 0.25, 0.5, 1.0)]
    assert rates == pytest.approx([0.99, 0.9914645, 0.995, 1.0], abs=1e-7)
    assert {cosine_momentum(first=0.996, last=0.996, progress=share / 7) for share in range(8)} == {0.996}


def test_a_ramp_is_linear_between_its_epochs_and_constant_after_the_last():
    ramp = {"at": (0, 100, 400), "values": (0.999, 0.9999, 0.99999)}
    rates = [ramped_momentum(epoch, **ramp) for epoch in (0, 50, 100, 250, 400, 801)]
    assert rates == pytest.approx([0.999, 0.99945, 0.9999, 0.999945, 0.99999, 0.99999], abs=1e-9)


def test_a_ramp_needs_a_value_at_each_epoch():
    with pytest.raises(ValueError, match=r"a value at each of the epochs \(0, 100\), got \(0.9,\)"):
        ramped_momentum(0, at=(0, 100), values=(0.9,))
