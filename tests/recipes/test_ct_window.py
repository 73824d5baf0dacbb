"""The window of CT goes from the data into the weights, and from there to whatever uses them."""

from __future__ import annotations

import json

import nibabel as nib
import numpy as np
import pytest
import torch
from rich.console import Console
from safetensors.torch import save_file

from data_prep.mr import prepare
from medmae.data import Manifest
from medmae.data.volumes.hounsfield import PRESETS
from medmae.errors import DataError
from medmae.recipes.ct_window import ct_window_of, require_ct_window, said_of_ct
from medmae.weights.about import about_header


@pytest.fixture
def prepared(tmp_path):
    """Prepares three patients with a CT (or, without a window, an MR image) each."""

    def make(name, window):
        for number in range(3):
            hu = np.full((14, 16, 10), -1024 if window else 0, np.int16)
            hu[3:-3, 3:-3, 2:-2] = np.random.default_rng(number).integers(1, 900, (8, 10, 6))
            path = tmp_path / f"{name}_raw" / f"p{number}" / ("CT.nii.gz" if window else "T1.nii.gz")
            path.parent.mkdir(parents=True)
            nib.save(nib.Nifti1Image(hu, np.diag([-1.0, 1.0, 3.0, 1.0])), path)
        options = {"source": tmp_path / f"{name}_raw", "out": tmp_path / name, "ct_window": window}
        return Manifest.read(prepare(**options, workers=0, console=Console(quiet=True)).manifest)

    return make


def weights(path, said):
    save_file({"x": torch.zeros(1)}, path, metadata=about_header({"run": "r", **said}))
    return path


def test_weights_tell_the_window_and_refuse_data_of_another(prepared, tmp_path):
    brain, lung, mr = prepared("brain", "brain"), prepared("lung", "lung"), prepared("mr", None)
    path = weights(tmp_path / "w.safetensors", said_of_ct(brain))
    assert ct_window_of(path) == PRESETS["brain"]
    require_ct_window(path, data=brain)
    require_ct_window(path, data=mr)
    with pytest.raises(DataError, match=r"between 0 and 80 HU.*-1350 to 150 HU.*--ct-window=40,80"):
        require_ct_window(path, data=lung.path)


def test_weights_without_ct_say_nothing_of_it_and_fit_anything(prepared, tmp_path):
    brain, mr = prepared("brain", "brain"), prepared("mr", None)
    assert said_of_ct(mr) == said_of_ct(object()) == {}
    path = weights(tmp_path / "w.safetensors", said_of_ct(mr))
    assert ct_window_of(path) is None
    require_ct_window(path, data=brain)


def test_data_of_two_windows_and_a_damaged_header_are_refused(prepared, tmp_path):
    lines = [prepared(name, name).rows[0] for name in ("brain", "lung")]
    both = Manifest(path=tmp_path / "manifest.jsonl", rows=tuple(json.loads(json.dumps(lines))))
    with pytest.raises(DataError, match=r"one window.*prepare all of it anew"):
        said_of_ct(both)
    for said in ([0, 80], {"lower": 0}, {"lower": 80, "upper": 0}):
        path = weights(tmp_path / "w.safetensors", {"ct_window": said})
        with pytest.raises(DataError, match="no window of CT"):
            ct_window_of(path)
