from __future__ import annotations

import json

import numpy as np
import pytest

from medmae.data.manifest import Manifest
from medmae.data.volumes.target_intensity import median_normalisation, read_target_intensities, write_target_intensities
from medmae.errors import DataError


@pytest.fixture
def measured(prepared):
    """A data set whose T2 has a maximum of 100, 200, 600, ... (train), and 9000 in the test split."""

    def make(*, maxima, test=9000):
        subjects = {f"p{i}": "train" for i in range(len(maxima))} | {"q": "test"}
        path = prepared(subjects)
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        for row, maximum in zip(rows, [*maxima, test], strict=True):
            numbers = {"lower": 1.0, "upper": maximum + 2.0, "maximum": maximum, "background": 2.0}
            for contrast in row["contrasts"]:
                contrast["normalisation"] = numbers | {"rule": "corner", "threshold": None}
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return path

    return make


def test_each_constant_is_the_median_over_training_subjects(measured):
    fit = median_normalisation(Manifest.read(measured(maxima=[100, 600, 200])), contrast="T2")
    assert (fit.lower, fit.upper, fit.maximum, fit.background) == (1.0, 202.0, 200.0, 2.0)
    assert fit.invert(np.array([0.0, 0.5, 1.0])).tolist() == [2.0, 102.0, 202.0]


def test_some_subjects_may_be_asked_for_alone(measured, tmp_path):
    path = measured(maxima=[100, 600, 200])
    write_target_intensities(tmp_path / "x.json", manifest=path, contrasts=["T2"], subjects=["p1", "q"])
    assert read_target_intensities(tmp_path / "x.json")["T2"].maximum == 600
    assert json.loads((tmp_path / "x.json").read_text())["contrasts"]["T2"]["subjects"] == 1
    with pytest.raises(DataError, match="no case has T2"):
        median_normalisation(Manifest.read(path), contrast="T2", subjects=["q"])  # of the test split


def test_visits_of_one_subject_count_as_one(measured):
    path = measured(maxima=[100, 100, 100, 600])
    text = path.read_text()
    for case in ("p1", "p2"):
        text = text.replace(f'"subject": "{case}"', '"subject": "p0"')
    path.write_text(text)
    assert median_normalisation(Manifest.read(path), contrast="T2").maximum == 350.0


def test_what_is_written_is_read_back(measured, tmp_path):
    path = measured(maxima=[100, 300])
    write_target_intensities(tmp_path / "model" / "target_intensity.json", manifest=path, contrasts=["T2", "T1"])
    known = read_target_intensities(tmp_path / "model" / "target_intensity.json")
    assert known == {name: median_normalisation(Manifest.read(path), contrast=name) for name in ("T1", "T2")}
    record = json.loads((tmp_path / "model" / "target_intensity.json").read_text())
    assert record["manifest_sha256"] == Manifest.read(path).sha256
    assert record["contrasts"]["T2"]["subjects"] == 2


def test_a_contrast_or_split_without_data_is_refused(measured, tmp_path):
    path = measured(maxima=[100])
    with pytest.raises(DataError, match="no contrast PD in this data set"):
        write_target_intensities(tmp_path / "x.json", manifest=path, contrasts=["PD"])
    with pytest.raises(DataError, match=r"no case has T2, so its intensities are unknown \[split = 'val'\]"):
        write_target_intensities(tmp_path / "x.json", manifest=path, contrasts=["T2"], split="val")
    assert not (tmp_path / "x.json").exists()


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"contrasts": {"T2": {"maximum": 1}}}', '{"contrasts": {"T2": 3}}']
)
def test_a_file_that_tells_nothing_is_named(tmp_path, content):
    (tmp_path / "x.json").write_text(content)
    with pytest.raises(DataError, match=r"x\.json: this does not tell intensities.*write_target_intensities"):
        read_target_intensities(tmp_path / "x.json")
    with pytest.raises(DataError, match=r"y\.json: it cannot be read \(No such file"):
        read_target_intensities(tmp_path / "y.json")
