"""Masked-patch PSNR beside baselines."""

import csv
import json

import numpy as np
import pytest
import torch

from medmae.errors import DataError, SomeFailedError
from medmae.evaluate.left_out import raise_left_out
from medmae.evaluate.reconstruct.reconstruction import _unheard, evaluate_reconstruction
from medmae.kinds import Kind
from medmae.methods.edge_mae import edge_mae_tiny


class Subjects(torch.utils.data.Dataset):
    """Two subjects, two contrasts, six slices each."""

    def __init__(self, count=24):
        coarse = torch.rand(count, 1, 4, 4, generator=torch.Generator().manual_seed(0))
        self.images = torch.nn.functional.interpolate(coarse, size=(64, 64), mode="bilinear")
        self.images[:, :, :16] = 0.0  # background

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        return {"image": self.images[index], "contrast": torch.tensor(index // 6 % 2), "index": index}

    def describe(self, index):
        subject = f"s{index // 12}"
        return {"case": subject, "subject": subject, "contrast": ("T1", "T2")[index // 6 % 2], "slice": index % 6}


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory):
    out = tmp_path_factory.mktemp("evaluation")
    torch.manual_seed(0)
    summary = evaluate_reconstruction(
        method=edge_mae_tiny(), dataset=Subjects(), out=out, samples_per_case=4, num_panels=3
    )
    return out, summary


def test_there_is_one_row_for_each_case_and_contrast(evaluated):
    rows = list(csv.DictReader((evaluated[0] / "reconstruction.csv").open()))
    assert [(row["case"], row["contrast"]) for row in rows] == [("s0", "T1"), ("s0", "T2"), ("s1", "T1"), ("s1", "T2")]
    assert all(row["samples"] == "4" for row in rows)


def test_the_summary_counts_subjects_and_pairs_the_model_with_each_baseline(evaluated):
    out, summary = evaluated
    assert json.loads((out / "summary.json").read_text()) == summary
    assert summary["psnr_model"]["n_subjects"] == 2
    gain = summary["psnr_model"]["mean"] - summary["psnr_neighbour"]["mean"]
    assert summary["gain_over_neighbour"]["mean"] == pytest.approx(gain)


def test_an_untrained_network_does_not_beat_its_neighbours(evaluated):
    assert evaluated[1]["gain_over_neighbour"]["mean"] < 0


def test_a_perfect_reconstruction_scores_the_cap_and_the_baselines_stay(evaluated, tmp_path, made_by):
    method = edge_mae_tiny()
    made_by(method, lambda image: image)
    summary = evaluate_reconstruction(method=method, dataset=Subjects(), out=tmp_path, samples_per_case=4)
    assert summary["psnr_model"]["mean"] == 100.0
    assert summary["psnr_mean_fill"]["mean"] == pytest.approx(evaluated[1]["psnr_mean_fill"]["mean"])


def test_foreground_figures_leave_empty_background_out(tmp_path, made_by):
    method = edge_mae_tiny()
    made_by(method, lambda image: torch.where(image == 0, 0.5, image))
    summary = evaluate_reconstruction(method=method, dataset=Subjects(), out=tmp_path)
    assert summary["psnr_model_foreground"]["mean"] == 100.0
    assert summary["psnr_model"]["mean"] < 20.0


def test_panels_show_every_subject_and_what_was_hidden(evaluated):
    about = json.loads((evaluated[0] / "panels.json").read_text())
    arrays = np.load(evaluated[0] / "panels.npz")
    assert {panel["subject"] for panel in about} == {"s0", "s1"}
    assert len(about) == 3
    visible, whole = arrays["0/visible"], arrays["0/input"]
    assert np.isnan(visible).mean() == pytest.approx(0.7, abs=0.02)
    assert np.array_equal(visible[~np.isnan(visible)], whole[~np.isnan(visible)])
    assert {name.split("/")[1] for name in arrays.files} == {
        "input",
        "visible",
        "reconstruction",
        "edge_target",
        "edge_prediction",
        "error",
    }


def test_the_same_seed_gives_the_same_figures(tmp_path):
    torch.manual_seed(0)
    method = edge_mae_tiny()
    first = evaluate_reconstruction(method=method, dataset=Subjects(), out=tmp_path)
    second = evaluate_reconstruction(method=method, dataset=Subjects(), out=tmp_path)
    assert first == second


def test_volumes_are_judged_too_and_shown_by_their_middle_slice(tmp_path):
    class Crops(Subjects):
        def __init__(self):
            self.images = torch.rand(24, 1, 16, 32, 32)

    method = edge_mae_tiny(image_size=(16, 32, 32), patch_size=8)
    summary = evaluate_reconstruction(method=method, dataset=Crops(), out=tmp_path, samples_per_case=1)
    assert summary["psnr_model"]["n_subjects"] == 2
    assert np.load(tmp_path / "panels.npz")["0/input"].shape == (32, 32)


def test_an_empty_data_set_is_refused(tmp_path):
    with pytest.raises(DataError, match="no held-out samples"):
        evaluate_reconstruction(method=edge_mae_tiny(), dataset=Subjects(0), out=tmp_path)


class Damaged(Subjects):
    """Some of whose samples cannot be read."""

    def __init__(self, bad):
        super().__init__()
        self.bad = bad

    def __getitem__(self, index):
        if index in self.bad:
            raise DataError("the shard cannot be read", path=f"{index}.npy")
        return super().__getitem__(index)


def test_a_sample_that_cannot_be_read_is_counted_and_the_others_are_judged(tmp_path):
    evaluate_reconstruction(method=edge_mae_tiny(), dataset=Damaged({0, 1, 2, 13}), out=tmp_path, batch_size=3)
    rows = list(csv.DictReader((tmp_path / "reconstruction.csv").open()))
    assert [row["samples"] for row in rows] == ["3", "6", "5", "6"]
    left_out = json.loads((tmp_path / "left_out.json").read_text())
    assert left_out["of"] == 24
    assert list(left_out["samples"]) == ["0", "1", "2", "13"]
    with pytest.raises(SomeFailedError, match=r"4 of 24 samples were left out: 0\.npy: the shard cannot be read"):
        raise_left_out(tmp_path)
    evaluate_reconstruction(method=edge_mae_tiny(), dataset=Subjects(), out=tmp_path)
    raise_left_out(tmp_path)  # nothing, the second time


def test_a_data_set_of_which_nothing_can_be_read_is_refused(tmp_path):
    with pytest.raises(SomeFailedError, match=r"no held-out sample can be read.*0\.npy"):
        evaluate_reconstruction(method=edge_mae_tiny(), dataset=Damaged(range(24)), out=tmp_path)


def test_silence_that_nobody_recorded_fills_no_baseline():
    kind, hidden = Kind.spectrogram(channels=1), torch.zeros(1, 1, 4, 4, dtype=torch.bool)
    heard = torch.ones_like(hidden)
    heard[:, :, 2:] = False
    assert torch.equal(_unheard(kind, {"heard": heard}, hidden), ~heard)
    assert torch.equal(_unheard(kind, {"real": heard}, hidden), ~heard)
    assert not _unheard(kind, {}, hidden).any()
    assert not _unheard(Kind.clip("image", channels=1), {"heard": heard}, hidden).any()
