"""Decibels of kinds of data that are not one thing: of each its own figure, from the table to the first words."""

from __future__ import annotations

import csv
import json

import pytest
import torch
from torch.utils.data import Dataset

from medmae.evaluate.reconstruct.reconstruction import evaluate_reconstruction
from medmae.evaluate.reconstruct.reconstruction_scores import stems_of
from medmae.kinds import Kind
from medmae.methods.av_mae import av_mae_tiny
from medmae.recipes.quality import found_in
from medmae.report import write_report
from medmae.report.evaluations import read_run
from medmae.report.headline import result_cards, warnings
from medmae.report.metrics import comparisons
from medmae.tokens.spectrogram import LogMel

FRONT = LogMel(rate=16000, bins=32, low=20.0, floor=1e-7)


class Clips(Dataset):
    """Two clips of each of two patients, the sound of the last of which is missing."""

    kinds = {"image": Kind.clip(channels=3), "audio": FRONT.kind()}

    def __len__(self):
        return 4

    def __getitem__(self, index):
        generator = torch.Generator().manual_seed(index)
        sample = {
            "image": torch.rand(3, 4, 1, 1, generator=generator).expand(3, 4, 32, 32).clone(),
            "audio": -5 + torch.randn(1, 50, 1, generator=generator).expand(1, 50, 32).clone(),
        }
        return {**sample, "available": torch.tensor([True, index < 3])}

    def describe(self, index):
        return {"case": f"c{index}", "subject": f"p{index // 2}"}


@pytest.fixture(scope="module")
def run(tmp_path_factory, request):
    out = tmp_path_factory.mktemp("run")
    torch.manual_seed(0)
    method = av_mae_tiny().eval()
    whole = type(method).show

    def show(batch, masks):
        """Clips as they are, sounds as they are not."""
        shown = whole(method, batch, masks)
        shown["image"] = shown["image"].__class__(**{**vars(shown["image"]), "made": batch["image"]})
        return shown

    method.show = show
    evaluate_reconstruction(method=method, dataset=Clips(), out=out / "evaluation", foreground=False)
    (out / "run.json").write_text(json.dumps({"method": "AVMAE", "trained_on": {"noun": "clip", "samples": 4}}))
    return out


def test_each_kind_has_columns_and_figures_of_its_own_and_nothing_is_their_mean(run):
    rows = list(csv.DictReader((run / "evaluation" / "reconstruction.csv").open()))
    assert {row["contrast"]: sum(r["contrast"] == row["contrast"] for r in rows) for row in rows} == {
        "audio": 3,
        "image": 4,
    }
    for row in rows:
        other = {"audio": "image", "image": "audio"}[row["contrast"]]
        assert row[f"psnr_{row['contrast']}_model"]
        assert row[f"psnr_{other}_model"] == ""
        assert "psnr_model" not in row
    summary = json.loads((run / "evaluation" / "summary.json").read_text())
    assert {name for name in summary if name.endswith("_model")} == {"psnr_audio_model", "psnr_image_model"}
    assert summary["psnr_image_model"]["mean"] == 100.0
    assert summary["psnr_audio_model"]["mean"] < 40.0
    gain = summary["psnr_audio_model"]["mean"] - summary["psnr_audio_neighbour"]["mean"]
    assert summary["gain_over_neighbour_psnr_audio"]["mean"] == pytest.approx(gain)


def test_the_page_has_a_card_and_a_verdict_for_each(run):
    folder = read_run(run)
    found = {comparison.label: comparison for comparison in comparisons(folder)}
    assert list(found) == ["PSNR on masked patches, image", "PSNR on masked patches, audio"]
    assert {comparison.unit for comparison in found.values()} == {"dB"}
    assert all(set(comparison.gains) for comparison in found.values())
    assert [cards[0].label for cards in result_cards(folder)[:2]] == list(found)
    assert any("PSNR on masked patches, audio" in told for told in warnings(folder))
    text = write_report(run).read_text()
    assert "Audio: not trained enough" in text
    assert "Image: the training works" in text
    assert text.count("only a task can tell") == 1
    (run / "run.json").write_text(json.dumps({"method": "AVMAE"}))
    text = write_report(run).read_text()
    assert "hidden parts of samples of" in text
    assert "hidden parts of pictures" not in text


def test_what_is_noted_beside_weights_is_told_apart(run):
    noted = {one.metric: one.value for one in found_in(run)}
    assert set(noted) == {"PSNR on masked patches, audio [dB]", "PSNR on masked patches, image [dB]"}
    assert noted["PSNR on masked patches, image [dB]"] == 100.0


def test_kinds_of_the_same_axes_unit_and_peak_are_averaged_and_others_are_not():
    stains = {"h": Kind.image("h", channels=1), "e": Kind.image("e", channels=1)}
    assert set(stems_of(stains).values()) == {"psnr"}
    for other in (Kind.image("d", channels=1, unit="HU", peak=1000.0), Kind.clip("d"), Clips.kinds["audio"]):
        assert stems_of({**stains, "d": other})["d"] == "psnr_d"
        assert stems_of({**stains, "d": other})["h"] == "psnr_h"
