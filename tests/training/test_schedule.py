"""Learning rates over time."""

import pytest

from medmae.training.schedule import WarmupCosine, WarmupStep


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
