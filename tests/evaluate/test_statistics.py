"""Intervals over subjects."""

import numpy as np
import pytest

from medmae.evaluate.statistics import signed_rank_p, summarise


def test_a_subject_with_many_slices_weighs_no_more_than_one_with_few():
    result = summarise([1.0] * 99 + [3.0], ["a"] * 99 + ["b"])
    assert result.mean == 2.0
    assert result.n_subjects == 2


def test_one_subject_has_a_mean_but_no_interval():
    result = summarise([1.0, 2.0], ["a", "a"])
    assert result.as_dict() == {
        "mean": 1.5,
        "std": None,
        "median": 1.5,
        "ci_low": None,
        "ci_high": None,
        "n_subjects": 1,
    }


def test_the_interval_covers_the_true_mean_about_as_often_as_it_says():
    rng = np.random.default_rng(0)
    hits = 0
    for trial in range(200):
        values = rng.normal(0.0, 1.0, size=20)
        result = summarise(values.tolist(), [str(i) for i in range(20)], resamples=500, seed=trial)
        hits += result.ci_low <= 0.0 <= result.ci_high
    assert 175 <= hits <= 199


def test_nothing_to_summarise_is_refused():
    with pytest.raises(ValueError, match="at least one; got 0 and 0"):
        summarise([], [])


def test_the_median_is_that_of_subjects():
    assert summarise([1.0, 1.0, 1.0, 2.0, 9.0], ["a", "a", "a", "b", "c"]).median == 2.0


def test_differences_of_one_sign_are_as_unlikely_as_the_number_of_subjects_allows():
    subjects = [str(i) for i in range(6)]
    assert signed_rank_p([0.1, 0.2, 0.3, 0.4, 0.5, 0.6], subjects) == pytest.approx(2**-5)
    assert signed_rank_p([0.1, -0.2, 0.3, -0.4, 0.5, -0.6], subjects) > 0.5


def test_many_rows_of_one_subject_are_one_pair():
    assert signed_rank_p([0.5] * 40, ["a"] * 40) == 1.0


def test_runs_that_do_not_differ_have_a_p_of_one():
    assert signed_rank_p([0.0, 0.0, 0.0], ["a", "b", "c"]) == 1.0
