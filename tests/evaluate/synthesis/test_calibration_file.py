"""A calibration beside its weights."""

import json

import pytest

from medmae.errors import DataError
from medmae.evaluate.synthesis.calibration import Calibration
from medmae.evaluate.synthesis.calibration_file import FittedSpread, read_calibration, write_calibration
from medmae.files import sha256_of

FITTED = FittedSpread(calibration=Calibration(std=(0.0, 0.1), error=(0.01, 0.3)), subjects=("a", "b"))


@pytest.fixture
def weights(tmp_path):
    path = tmp_path / "weights.safetensors"
    path.write_bytes(b"weights")
    return path


def test_what_is_written_is_read_back(tmp_path, weights):
    write_calibration(tmp_path / "c.json", FITTED, weights_sha256=sha256_of(weights))
    assert read_calibration(tmp_path / "c.json", weights=weights) == FITTED
    assert read_calibration(tmp_path / "c.json", weights=None) == FITTED


def test_a_calibration_of_other_weights_is_refused(tmp_path, weights):
    write_calibration(tmp_path / "c.json", FITTED, weights_sha256="0" * 64)
    with pytest.raises(DataError, match=r"fitted to other weights than weights\.safetensors.*--calibration null"):
        read_calibration(tmp_path / "c.json", weights=weights)


def test_that_of_an_evaluation_is_read_too(tmp_path, weights):
    record = {"map": FITTED.calibration.as_dict(), "fitted_on": ["a", "b"], "before": {}}
    (tmp_path / "c.json").write_text(json.dumps(record))
    assert read_calibration(tmp_path / "c.json", weights=weights) == FITTED


@pytest.mark.parametrize(
    "content",
    [
        "", "[]", "{}", '{"fitted_on": [], "map": {"std": [], "error": []}}',
        '{"fitted_on": [], "map": {"std": [0, 1], "error": [1]}}',
        '{"fitted_on": [], "map": {"std": [0, 1], "error": [1, 0]}}',
        '{"fitted_on": [], "map": {"std": [1, 0], "error": [0, 1]}}',
        '{"fitted_on": [], "map": {"std": [0, 1], "error": [-1, 0]}}',
        '{"fitted_on": [], "map": {"std": [0, NaN], "error": [0, 1]}}',
    ],
)  # fmt: skip
def test_a_file_that_tells_no_rising_map_is_named(tmp_path, content):
    (tmp_path / "c.json").write_text(content)
    with pytest.raises(DataError, match=r"c\.json: this is no calibration of a spread"):
        read_calibration(tmp_path / "c.json", weights=None)
    with pytest.raises(DataError, match=r"d\.json: it cannot be read \(No such file"):
        read_calibration(tmp_path / "d.json", weights=None)
