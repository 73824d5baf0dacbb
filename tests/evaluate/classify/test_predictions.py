"""Tables of what a classifier says of images."""

from __future__ import annotations

import csv

import pytest
from PIL import Image
from torch import nn

from medmae.data import Pictures, Samples
from medmae.errors import DataError, SomeFailedError
from medmae.evaluate.classify.predictions import predict_images


@pytest.fixture
def images(tmp_path):
    """Three images, of which the second is none."""
    for name in ("a", "b", "c"):
        Image.new("L", (4, 4), 100).save(tmp_path / f"{name}.png")
    (tmp_path / "b.png").write_bytes(b"no image")
    return Samples(source=tmp_path, view=Pictures(size=4, channels=1), split=None)


def predict(images, out):
    network = nn.Sequential(nn.Flatten(), nn.Linear(16, 2))
    return predict_images(images=images, network=network, name="image", classes=["x", "y"], out=out, batch_size=2)


def test_one_bad_image_costs_the_others_no_row_and_is_told_at_the_end(images, tmp_path):
    with pytest.warns(UserWarning, match="left out"), pytest.raises(SomeFailedError, match=r"1 of 3 .*b\.png"):
        predict(images, tmp_path / "out")
    rows = list(csv.DictReader((tmp_path / "out" / "predictions.csv").open()))
    assert [row["image"] for row in rows] == ["a.png", "c.png"]
    assert all(abs(float(row["p_x"]) + float(row["p_y"]) - 1) < 1e-6 for row in rows)


def test_without_an_image_that_can_be_read_there_is_no_table(images, tmp_path):
    for name in ("a", "c"):
        (tmp_path / f"{name}.png").write_bytes(b"no image")
    with pytest.warns(UserWarning, match="left out"), pytest.raises(DataError, match="none of 3 images can be read"):
        predict(images, tmp_path / "out")
    assert not (tmp_path / "out").exists()
