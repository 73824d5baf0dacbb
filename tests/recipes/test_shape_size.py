"""Shapes of another size than a network calls 1: metres read as millimetres, sizes that were removed."""

import io

import numpy as np
import pytest
from rich.console import Console

from data_prep.points import prepare
from medmae.data.manifest import Manifest
from medmae.errors import DataError
from medmae.methods.mae3d import mae3d_tiny
from medmae.recipes.shape_size import check_size


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    root = tmp_path_factory.mktemp("shapes")
    (root / "raw").mkdir()
    for number in range(3):
        places = np.random.default_rng(number).normal(size=(100, 3))
        places *= 20 * (1 + number / 10) / np.linalg.norm(places, axis=1, keepdims=True)
        np.save(root / "raw" / f"{'abc'[number]}{number}.npy", places)
    asked = {"mm": {"unit": "mm"}, "m": {"unit": "m"}, "removed": {"size": "removed"}}
    for name, options in asked.items():
        same = {"points": 64, "patches": 0, "patch_points": 32, "workers": 0, "console": Console(file=io.StringIO())}
        prepare(source=root / "raw", out=root / name, **same, **options)
    return {name: Manifest.of(root / name) for name in asked}


def network(millimetres):
    return mae3d_tiny(scale={"mean": [0.0], "std": [millimetres]})


@pytest.mark.parametrize(("data", "millimetres"), [("mm", 25.0), ("mm", 8.0), ("removed", 1.0), ("m", 25_000.0)])
def test_shapes_of_the_size_that_a_network_expects_are_taken(prepared, data, millimetres):
    check_size(network(millimetres), prepared[data])


@pytest.mark.parametrize(("data", "millimetres"), [("mm", 0.1), ("m", 25.0), ("removed", 25.0)])
def test_shapes_of_another_size_are_refused_with_both(prepared, data, millimetres):
    with pytest.raises(DataError, match=f"the network calls {millimetres:g} a 1") as caught:
        check_size(network(millimetres), prepared[data])
    assert caught.value.field == "radius"
    assert "--millimetres" in caught.value.remedy


def test_a_network_that_scales_nothing_is_warned_of(prepared):
    with pytest.warns(UserWarning, match="the network calls 1 a 1: train with --millimetres"):
        check_size(network(1.0), prepared["mm"])


def test_other_data_are_none_of_its_business(prepared):
    check_size(network(1.0), object())
