"""Learning rates over time."""

import math

import pytest

from medmae.training.schedule import WarmupCosine, WarmupStep, WarmupTimesCosine


def test_the_first_step_of_a_warm_up_has_a_rate_of_exactly_zero():
    assert WarmupCosine(warmup_epochs=40).value(0.0, peak=2.4e-3, epochs=800) == 0.0


def test_the_cosine_reaches_its_minimum_at_the_end_and_stays():
    schedule = WarmupCosine(warmup_epochs=5, min_lr=1e-5)
    assert schedule.value(5, peak=1e-3, epochs=100) == pytest.approx(1e-3)
    assert schedule.value(100, peak=1e-3, epochs=100) == pytest.approx(1e-5)
    assert schedule.value(101, peak=1e-3, epochs=100) == pytest.approx(1e-5)


def test_a_step_schedule_drops_at_its_milestone_as_in_mt_net():
    schedule = WarmupStep(milestones=(50,), gamma=0.1)
    assert schedule.value(49.99, peak=3e-3, epochs=99) == pytest.approx(3e-3)
    assert schedule.value(50.0, peak=3e-3, epochs=99) == pytest.approx(3e-4)


def test_a_cosine_that_falls_during_its_warm_up_never_reaches_the_peak_as_in_av_mae():
    schedule = WarmupTimesCosine(warmup_epochs=4)
    rates = [schedule.value(epoch, peak=6e-4, epochs=120) for epoch in (0, 2, 4, 120, 121)]
    expected = [0.0, 0.5 * (1 + math.cos(math.pi / 60)) / 2, 0.5 * (1 + math.cos(math.pi / 30)), 0.0, 0.0]
    assert rates == pytest.approx([6e-4 * share for share in expected], abs=1e-12)
    assert max(schedule.value(epoch / 10, peak=6e-4, epochs=120) for epoch in range(1201)) < 6e-4
    assert WarmupTimesCosine(warmup_epochs=0).value(0, peak=1.0, epochs=10) == 1.0
