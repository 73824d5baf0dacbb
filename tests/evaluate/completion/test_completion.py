"""Completed clouds: distances by their names, shares and baselines, pictures from three sides."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from data_prep.tiny import make
from medmae.data import Clouds, Samples
from medmae.evaluate.completion.distances import figures_of, nearest_cloud
from medmae.evaluate.completion.evaluation import evaluate_completion
from medmae.evaluate.completion.files import in_place, ply_of
from medmae.evaluate.completion.pictures import EDGE, by_distance, drawn
from medmae.methods.point_mae import point_mae_tiny


@pytest.fixture
def cloud():
    return torch.rand(60, 3, generator=torch.Generator().manual_seed(0)) * 20


def test_what_is_made_exactly_has_no_distance(cloud):
    hidden = torch.arange(60) < 20
    found = figures_of(cloud, cloud, hidden, within=1.0)
    assert found == {"cd_l1": 0.0, "cd_l2": 0.0, "f_score": 1.0, "hidden_distance": 0.0}


def test_distances_are_of_their_conventions(cloud):
    moved = cloud + torch.tensor([0.1, 0.0, 0.0])
    found = figures_of(moved, cloud, torch.arange(60) < 20, within=1.0)
    assert found["cd_l1"] == pytest.approx(0.1, rel=0.2)
    assert found["cd_l2"] == pytest.approx(2 * 0.1**2, rel=0.2)
    left = figures_of(cloud[20:], cloud, torch.arange(60) < 20, within=0.01)
    assert left["f_score"] == pytest.approx(2 * (2 / 3) / (1 + 2 / 3))  # precision 1, recall 2/3
    assert left["hidden_distance"] > 0


def test_where_no_point_was_hidden_none_is_far(cloud):
    assert np.isnan(figures_of(cloud, cloud, torch.zeros(60, dtype=torch.bool), within=1.0)["hidden_distance"])


def test_the_nearest_of_some_clouds_is_found(cloud):
    others = torch.stack([cloud + 9, cloud + 0.5, cloud * 3])
    assert torch.equal(nearest_cloud(cloud[:20], others), others[1])


def test_pictures_are_of_three_sides_and_near_points_cover_far_ones():
    near, far = np.array([[0.0, -0.5, 0.2]]), np.array([[0.0, 0.5, 0.2]])
    red, blue = np.array([1.0, 0, 0]), np.array([0.0, 0, 1])
    picture = drawn([(far, blue), (near, red)], middle=np.zeros(3), reach=1.0)
    assert picture.shape == (3 * EDGE, EDGE, 3)
    front, side = picture[:EDGE], picture[EDGE : 2 * EDGE]
    marked = front[(front < 1).any(axis=2)]
    assert (marked[:, 0] > marked[:, 2]).all()  # only the near one is seen from the front
    columns = np.flatnonzero((side < 1).any(axis=(0, 2)))
    assert columns.min() < EDGE / 3  # both from the side
    assert columns.max() > EDGE * 2 / 3


def test_distances_have_colours_from_blue_to_red():
    low, high, above = by_distance(np.array([0.0, 4.0, 9.0]), limit=4.0)
    assert low[2] > low[0]
    assert high[0] > high[2]
    assert np.array_equal(high, above)


def test_a_cloud_is_put_back_where_it_was(cloud):
    kept = {"size": "kept", "radius": 5.0, "centre": [1.0, 2.0, 3.0]}
    assert np.allclose(in_place(cloud, kept), cloud.numpy() + np.array([1, 2, 3]))
    assert np.allclose(in_place(cloud, {**kept, "size": "removed"}), cloud.numpy() * 5 + np.array([1, 2, 3]))


def test_a_ply_file_says_its_unit_only_where_it_is_known(cloud):
    assert "comment units: mm" in ply_of(cloud.numpy(), (1.0, 0, 0), unit="mm")
    text = ply_of(cloud.numpy(), (1.0, 0, 0), unit=None)
    assert "units" not in text
    assert len(text.split("end_header\n")[1].splitlines()) == 60


@pytest.mark.slow
def test_shares_are_hidden_as_said_and_stand_beside_what_needs_no_network(tmp_path):
    prepared, _ = make("shapes", tmp_path)
    train, test = (Samples(source=prepared, view=Clouds(patches=False), split=split) for split in ("train", "test"))
    method = point_mae_tiny(num_patches=16, patch_points=16, scale={"mean": 0, "std": 20})
    out = tmp_path / "run" / "evaluation"
    record = evaluate_completion(method=method, dataset=test, train=train, out=out, shares=(0.25, 0.75))
    assert (record["unit"], record["within"]) == ("mm", 1.0)
    assert json.loads((out / "completion.json").read_text())["shares"].keys() == {"0.25", "0.75"}
    few, many = (record["shares"][share]["f_score"]["what_is_left"]["mean"] for share in ("0.25", "0.75"))
    assert few > many
    assert "nearest_training_shape" in record["shares"]["0.25"]["cd_l2"]
    assert len((out / "completion.csv").read_text().splitlines()) == 1 + 2 * len(test)
    again = evaluate_completion(method=method, dataset=test, train=test, out=out, shares=(0.25,))
    assert "nearest_training_shape" not in again["shares"]["0.25"]["cd_l2"]  # the shapes themselves are no guess
