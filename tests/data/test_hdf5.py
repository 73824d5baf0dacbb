"""HDF5 of any origin: read in a child first, in time and within the budget."""

from __future__ import annotations

import os
import time
from pathlib import Path

import h5py
import numpy as np
import pytest

from medmae.data import hdf5
from medmae.data.hdf5 import open_hdf5
from medmae.errors import DataError

SHARED = Path(os.environ.get("MEDMAE_SHARED", Path(__file__).parents[3] / "shared"))


def test_a_sound_file_is_open_and_its_errors_name_it(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["coords"] = np.arange(6).reshape(3, 2)
    with open_hdf5(tmp_path / "a.h5", reads=("coords",)) as file:
        assert file["coords"].shape == (3, 2)
    with pytest.raises(DataError, match=r"a\.h5"), open_hdf5(tmp_path / "a.h5") as file:
        file["features"]


def test_a_data_set_above_the_budget_is_refused_before_it_is_read(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("features", (10**9, 1024), dtype="f2", chunks=(1, 1024))
    with pytest.raises(DataError, match=r"promises 6,144\.0 GB"), open_hdf5(tmp_path / "a.h5", reads=("features",)):
        pass
    with open_hdf5(tmp_path / "a.h5") as file:  # what nobody reads costs nothing
        assert list(file) == ["features"]


def test_a_file_on_which_the_library_hangs_is_refused_in_time(monkeypatch):
    path = SHARED / "cases/trust/hang.h5"
    if not path.is_file():
        pytest.skip(f"needs {path}")
    monkeypatch.setattr(hdf5, "LIMIT_S", 3.0)
    start = time.monotonic()
    with pytest.raises(DataError, match="not finished after 3 s") as caught, open_hdf5(path, reads=("features",)):
        pass
    assert caught.value.path == path
    assert time.monotonic() - start < 10
