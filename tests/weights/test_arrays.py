"""Weights as numpy writes them."""

from __future__ import annotations

import numpy as np
import pytest

from medmae.errors import DataError
from medmae.weights.read import load_state


@pytest.fixture
def arrays():
    random = np.random.default_rng(0)
    return {
        "Transformer/encoder_norm/scale": random.random(7).astype("float32"),
        "embedding/kernel": np.asfortranarray(random.random((2, 3, 4)).astype("float32")),
        "step": np.array(7),
    }


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_arrays_are_read_by_their_names(save, arrays, tmp_path):
    save(tmp_path / "weights.npz", **arrays)
    state = load_state(tmp_path / "weights.npz")
    assert state.keys() == arrays.keys()
    for name, values in arrays.items():
        np.testing.assert_array_equal(state[name].numpy(), values)


def test_what_is_pickled_is_never_read(arrays, tmp_path):
    np.savez(tmp_path / "weights.npz", **arrays, tree=np.array([{"code": 1}], dtype=object))
    with pytest.raises(DataError, match=r"cannot be read .*Object arrays"):
        load_state(tmp_path / "weights.npz")


def test_other_types_than_numbers_are_refused_with_what_to_do(arrays, tmp_path):
    np.savez(tmp_path / "weights.npz", **arrays, name=np.array("resnet"))
    with pytest.raises(DataError, match=r"name is of <U6.*float32"):
        load_state(tmp_path / "weights.npz")


def test_damage_and_bombs_are_refused(arrays, tmp_path):
    path = tmp_path / "weights.npz"
    np.savez(path, **arrays)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match="cannot be read"):
        load_state(path)
    spoilt = bytearray(whole)
    spoilt[200] ^= 255  # a number of the first array: its checksum tells
    path.write_bytes(bytes(spoilt))
    with pytest.raises(DataError, match=r"cannot be read|NaN"):
        load_state(path)
    np.savez_compressed(path, zeros=np.zeros(5_000_000, dtype="float32"))
    with pytest.raises(DataError, match="would unpack to"):
        load_state(path)


def test_values_that_are_not_finite_are_refused(arrays, tmp_path):
    arrays["embedding/kernel"][0] = np.nan
    np.savez(tmp_path / "weights.npz", **arrays)
    with pytest.raises(DataError, match="NaN or infinite"):
        load_state(tmp_path / "weights.npz")


def test_a_file_of_another_kind_is_named(tmp_path):
    (tmp_path / "checkpoint.msgpack").write_bytes(bytes(range(128, 200)))
    with pytest.raises(DataError, match=r"\.npz"):
        load_state(tmp_path / "checkpoint.msgpack")
