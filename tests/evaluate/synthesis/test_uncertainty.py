"""Whether a spread tells the error, on other subjects than it was fitted on."""

import json

import numpy as np
import pytest

from medmae.evaluate.synthesis.calibration import Calibration
from medmae.evaluate.synthesis.calibration_file import FittedSpread
from medmae.evaluate.synthesis.case_scores import SynthesisCases
from medmae.evaluate.synthesis.uncertainty import evaluate_spread, fit_spread


class Honest:
    """A network whose error is normal with twice the spread that it states."""

    def __init__(self, factor=2.0):
        self.factor, self.asked = factor, []

    def with_spread(self, task, image):
        self.asked.append(task.row["case"])
        rng = np.random.default_rng(len(self.asked))
        real = (image[:, 0] > 0) * (0.9 - 0.8 * image[:, 0])
        std = rng.uniform(0.01, 0.1, real.shape)
        return real + self.factor * std * rng.normal(size=real.shape), std


def cases(manifest, split):
    return SynthesisCases(manifest=manifest, split=split, source="T1", target="T2", contrasts=None, min_foreground=0.02)


def evaluated(network, manifest, out):
    val, test = cases(manifest, "val"), cases(manifest, "test")
    fitted, failed = fit_spread(network, tasks=val.tasks(), cases=val)
    assert failed == evaluate_spread(network, fitted=fitted, test=test.tasks(), cases=test, out=out) == []
    return json.loads((out / "calibration.json").read_text())


@pytest.fixture
def record(make_set, tmp_path):
    network = Honest()
    found = evaluated(network, make_set(), tmp_path)
    assert network.asked == ["c", "d", "e"]
    return found


def test_the_map_is_fitted_on_validation_and_judged_on_test_subjects(record):
    assert record["fitted_on"] == ["c"]
    assert set(record["after"]["coverage"]["by_case"]) == {"d T2", "e T2"}
    assert record["after"]["coverage"]["n_subjects"] == 2


def test_calibration_mends_a_spread_that_is_half_of_the_error(record):
    assert record["before"]["coverage"]["mean"] == pytest.approx(0.68, abs=0.04)
    assert record["after"]["coverage"]["mean"] == pytest.approx(record["definition"]["nominal_coverage"], abs=0.03)
    assert record["after"]["calibration_error"]["mean"] < 0.5 * record["before"]["calibration_error"]["mean"]


def test_a_large_case_weighs_no_more_than_a_small_one(make_set, tmp_path, monkeypatch):
    monkeypatch.setattr("medmae.evaluate.synthesis.uncertainty._VOXELS", 200)
    manifest = make_set()
    record = evaluated(Honest(), manifest, tmp_path)
    shares = np.array(record["before"]["curve"]["share"]) * 400
    assert shares == pytest.approx(np.round(shares))


def test_a_map_that_is_given_is_judged_as_it_is(make_set, tmp_path):
    double = Calibration(std=(0.0, 1.0), error=(0.0, 2.0))
    given = FittedSpread(calibration=double, subjects=("z",))
    test = cases(make_set(), "test")
    evaluate_spread(Honest(), fitted=given, test=test.tasks(), cases=test, out=tmp_path, failed=["y was broken"])
    record = json.loads((tmp_path / "calibration.json").read_text())
    assert (record["map"], record["fitted_on"]) == (double.as_dict(), ["z"])
    assert record["failed"] == ["y was broken"]
