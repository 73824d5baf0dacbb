"""Which slices are shown as the worst."""

import dataclasses
import json

import numpy as np
import pytest

from medmae.evaluate.synthesis.case_scores import SynthesisCases
from medmae.evaluate.synthesis.worst import Worst


@pytest.fixture
def volumes(make_set):
    found = SynthesisCases(
        manifest=make_set(), split="test", source="T1", target="T2", contrasts=None, min_foreground=0.02
    )
    return found.read(found.tasks()[0])


def wrong(volumes, errors):
    """A synthetic volume that is off by a constant in some slices."""
    made = volumes.real.copy()
    for z, error in errors.items():
        made[z] += error * volumes.foreground[z]
    return made


def kept(worst, folder):
    worst.write(folder)
    return [(row["case"], row["slice"]) for row in json.loads((folder / "panels.json").read_text())]


def test_the_greatest_errors_of_all_cases_come_first(volumes, tmp_path):
    worst = Worst(count=3, apart=0)
    worst.add({"case": "d"}, volumes=volumes, synthetic=wrong(volumes, {4: 0.3, 6: 0.1}))
    worst.add({"case": "e"}, volumes=volumes, synthetic=wrong(volumes, {5: 0.2}))
    assert kept(worst, tmp_path) == [("d", 4), ("e", 5), ("d", 6)]


def test_of_neighbours_only_the_worst_is_kept(volumes, tmp_path):
    worst = Worst(count=2, apart=12.0)  # three slices of 4 mm
    worst.add({"case": "d"}, volumes=volumes, synthetic=wrong(volumes, {4: 0.3, 5: 0.29, 6: 0.28, 7: 0.1}))
    assert kept(worst, tmp_path) == [("d", 4), ("d", 7)]


def test_slivers_at_the_end_of_the_head_do_not_count(volumes, tmp_path):
    area = volumes.foreground.sum(axis=(1, 2))
    sliver = int(np.flatnonzero((area > 0) & (area < 0.25 * area.max()))[0])
    worst = Worst(count=1)
    worst.add({"case": "d"}, volumes=volumes, synthetic=wrong(volumes, {sliver: 0.9, 5: 0.1}))
    assert kept(worst, tmp_path) == [("d", 5)]


def test_pictures_have_square_pixels_and_the_error_is_the_difference(volumes, tmp_path):
    worst = Worst(count=1)
    worst.add({"case": "d"}, volumes=volumes, synthetic=wrong(volumes, {5: 0.25}))
    worst.write(tmp_path)
    with np.load(tmp_path / "panels.npz") as arrays:
        assert set(arrays.files) == {"0/source", "0/synthetic", "0/real", "0/error"}
        assert arrays["0/real"].shape == (28, 36)  # 24 columns of 1.5 mm, 28 rows of 1 mm
        assert arrays["0/error"].max() == pytest.approx(0.25, abs=1e-5)


def test_slices_are_numbered_in_the_whole_volume_and_not_in_the_stored_box(volumes, tmp_path):
    worst = Worst(count=1)
    moved = dataclasses.replace(volumes, start=(40, 7, 9))
    worst.add({"case": "d"}, volumes=moved, synthetic=wrong(volumes, {5: 0.2}))
    assert kept(worst, tmp_path) == [("d", 45)]


def test_a_case_without_foreground_has_no_worst_slice(volumes, tmp_path):
    volumes.foreground[:] = False
    worst = Worst()
    worst.add({"case": "d"}, volumes=volumes, synthetic=volumes.real)
    assert kept(worst, tmp_path) == []
