"""Reconstruction of methods that know several kinds of data, and of colour pictures."""

import csv
import json

import numpy as np
import pytest
import torch

from medmae.errors import DataError
from medmae.evaluate.reconstruct.reconstruction import evaluate_reconstruction
from medmae.methods.he_mmae import he_mmae_tiny


class Tiles(torch.utils.data.Dataset):
    """Four tiles of each of two patients; H is the red channel."""

    def __init__(self):
        coarse = torch.rand(8, 3, 4, 4, generator=torch.Generator().manual_seed(0))
        self.rgb = torch.nn.functional.interpolate(coarse, size=(32, 32), mode="bilinear")

    def __len__(self):
        return len(self.rgb)

    def __getitem__(self, index):
        rgb = self.rgb[index]
        return {"rgb": rgb, "h": rgb[:1], "e": rgb[1:2]}

    def describe(self, index):
        return {"case": f"p{index // 4}", "subject": f"p{index // 4}", "tile": f"{index}.png"}


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    out = tmp_path_factory.mktemp("evaluation")
    torch.manual_seed(0)
    evaluate_reconstruction(
        method=he_mmae_tiny(outputs={"rgb": "mse", "norm_rgb": "mse", "h": "l1"}, scale="imagenet"),
        dataset=Tiles(),
        out=out,
        num_panels=6,
        foreground=False,
    )
    return out


def rows_of(out):
    return list(csv.DictReader((out / "reconstruction.csv").open()))


def test_each_rebuilt_modality_has_its_own_row(out):
    rows = [(row["case"], row["contrast"]) for row in rows_of(out)]
    assert rows == [("p0", "h"), ("p0", "rgb"), ("p1", "h"), ("p1", "rgb")]
    assert not [name for name in rows_of(out)[0] if "foreground" in name]


def test_what_is_shown_and_not_rebuilt_is_a_picture_without_a_figure(out):
    infos = json.loads((out / "panels.json").read_text())
    assert [info["contrast"] for info in infos[:3]] == ["rgb", "h", "e"]
    assert "psnr_model" in infos[0]
    assert "psnr_model" not in infos[2]
    with np.load(out / "panels.npz") as arrays:
        assert {name.split("/")[1] for name in arrays if name.startswith("2/")} == {"input", "visible"}
        assert arrays["0/true_mean_and_deviation"].shape == (32, 32, 3)


def test_colour_is_shown_in_colour_and_in_the_scale_of_the_eye(out):
    with np.load(out / "panels.npz") as arrays:
        picture, seen, error = arrays["0/input"], arrays["0/visible"], arrays["0/error"]
    index = next(i for i in range(8) if np.allclose(Tiles().rgb[i].permute(1, 2, 0), picture, atol=1e-5))
    assert index in range(8)
    hidden = np.isnan(seen)
    assert (hidden.any(axis=2) == hidden.all(axis=2)).all()
    assert error.shape == (32, 32)


def test_a_perfect_method_scores_the_cap_in_every_modality(tmp_path, made_by):
    method = he_mmae_tiny()
    made_by(method, lambda image: image)
    evaluate_reconstruction(method=method, dataset=Tiles(), out=tmp_path, foreground=False)
    assert {row["psnr_model"] for row in rows_of(tmp_path)} == {"100.0000"}


def test_a_modality_that_a_sample_lacks_is_neither_judged_nor_shown(tmp_path):
    class Lacking(Tiles):
        def __getitem__(self, index):
            return {**super().__getitem__(index), "available": torch.tensor([True, index >= 4, True])}

    evaluate_reconstruction(method=he_mmae_tiny(), dataset=Lacking(), out=tmp_path, foreground=False)
    assert [(row["case"], row["contrast"]) for row in rows_of(tmp_path) if row["contrast"] == "h"] == [("p1", "h")]
    infos = json.loads((tmp_path / "panels.json").read_text())
    assert {(info["case"], info["contrast"]) for info in infos} >= {("p0", "rgb"), ("p1", "h")}
    assert ("p0", "h") not in {(info["case"], info["contrast"]) for info in infos}


def test_a_method_that_rebuilds_nothing_of_what_is_hidden_is_told(tmp_path, made_by):
    method = he_mmae_tiny()
    made_by(method, lambda image: None)
    with pytest.raises(DataError, match="nothing was hidden that the method rebuilds"):
        evaluate_reconstruction(method=method, dataset=Tiles(), out=tmp_path)
