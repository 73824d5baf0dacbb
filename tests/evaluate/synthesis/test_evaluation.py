"""A synthesis evaluated from shards to tables and pictures."""

import csv
import json

import numpy as np
import pytest
import torch

from medmae.data.manifest import Manifest
from medmae.errors import DataError, SomeFailedError
from medmae.evaluate.synthesis.calibration import Calibration
from medmae.evaluate.synthesis.calibration_file import FittedSpread
from medmae.evaluate.synthesis.evaluation import evaluate_synthesis
from medmae.evaluate.synthesis.network import Synthesiser
from medmae.evaluate.synthesis.similarity import similarity
from medmae.methods.mt_unet import mt_unet_tiny
from tests.shards import rewrite_shard


def read(out):
    return list(csv.DictReader((out / "metrics.csv").open())), json.loads((out / "metrics.json").read_text())


def halfway(images):
    """Better than a copy, worse than perfect; made of means, so that the sides do not agree."""
    return (images > 0) * (0.8 - 0.6 * images + 0.1 * images.mean(dim=-1, keepdim=True))


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory, set_writer):
    """An evaluation with everything in it: one of the two test subjects has a lesion."""
    folder = tmp_path_factory.mktemp("synthesis")
    manifest = set_writer(folder / "set", lesion=("d",))
    options = {"source": "T1", "target": "T2", "uncertainty": True}
    evaluate_synthesis(
        synthesiser=Synthesiser(network=halfway, size=28), manifest=manifest, out=folder / "out", **options
    )
    return folder / "out"


@pytest.fixture
def pair(make_set, tmp_path, monkeypatch):
    """Evaluate a pair into ``out``, with empty files for montages, which take long to draw."""

    def touch(*_, path, **__):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()

    monkeypatch.setattr("medmae.evaluate.synthesis.evaluation.draw_montage", touch)

    def evaluate(network, *, manifest=None, size=28, smooth=0.0, **options):
        made = Synthesiser(network=network, size=size, smooth=smooth)
        options = {"source": "T1", "target": "T2", "manifest": manifest or make_set(lesion=("d",)), **options}
        return evaluate_synthesis(synthesiser=made, out=tmp_path / "out", **options)

    return evaluate


def test_a_perfect_network_is_perfect_everywhere_and_a_table_is_nearly(pair, perfect, tmp_path):
    summary = pair(perfect)
    rows, _ = read(tmp_path / "out")
    assert [(row["case"], row["source"], row["target"]) for row in rows] == [("d", "T1", "T2"), ("e", "T1", "T2")]
    for region in ("whole", "foreground", "lesion"):
        assert summary[f"psnr_model_{region}"]["mean"] == 100.0
        assert summary[f"psnr_table_{region}"]["mean"] > 30
    assert summary["psnr_model_reference"]["mean"] > 30  # here values were resized before they were mapped
    assert summary["stripe_model_foreground"]["mean"] == pytest.approx(1.0, abs=1e-4)
    assert summary["gain_over_table_psnr_foreground"]["n_subjects"] == 2
    assert json.loads((tmp_path / "out" / "summary.json").read_text()) == summary


def test_the_figures_are_those_of_the_volumes_one_would_compute_by_hand(pair, make_set, tmp_path):
    manifest = make_set(shape=(12, 24, 24))
    pair(halfway, manifest=manifest, size=24)
    row = read(tmp_path / "out")[0][0]
    source, real = np.load(manifest.folder / "shards" / "d.npy").transpose(1, 0, 2, 3)
    made = halfway(torch.from_numpy(source)).numpy()
    inside = similarity(made, real, mask=real > 0)
    filled = np.array(manifest.rows[3]["foreground"]) >= 0.02
    theirs = similarity(made[filled], real[filled], definition="reference")
    for metric in ("psnr", "ssim", "nmse", "mae"):
        assert float(row[f"{metric}_model_foreground"]) == pytest.approx(inside[metric], abs=1e-5)
        assert float(row[f"{metric}_model_reference"]) == pytest.approx(theirs[metric], abs=1e-5)


def test_a_case_without_lesion_has_empty_cells_and_the_summary_counts_the_others(evaluated):
    summary = json.loads((evaluated / "summary.json").read_text())
    rows, _ = read(evaluated)
    assert rows[0]["psnr_model_lesion"]
    assert rows[1]["psnr_model_lesion"] == ""
    assert summary["psnr_model_lesion"]["n_subjects"] == 1


def test_without_any_label_there_is_no_lesion_column(pair, make_set, tmp_path):
    pair(halfway, manifest=make_set())
    rows, about = read(tmp_path / "out")
    assert not [name for name in rows[0] if "lesion" in name]
    assert "lesion" not in about["definitions"]


def test_the_record_says_what_the_columns_mean_and_what_the_baseline_is(evaluated):
    _, about = read(evaluated)
    assert about["definitions"]["foreground"]["data_range"] == 1.0
    assert set(about["baselines"]) == {"table", "patch"}
    assert about["baselines_fitted_on"] == {"T1 → T2": "2 training cases"}
    lead, *_ = about["verdict"].split(". ")
    assert lead.startswith("Not better than a table of grey values or a regression on neighbourhoods over all tissue (")
    assert ", worse inside lesions (against a regression on neighbourhoods: PSNR" in lead
    assert about["split"] == "test"
    assert len(about["manifest_sha256"]) == 64


def test_baselines_know_the_pairs_of_those_alone_who_were_trained_on(pair, make_set, tmp_path):
    manifest = make_set()
    pair(halfway, manifest=manifest, paired=["a"])
    rows, about = read(tmp_path / "out")
    assert about["baselines_fitted_on"] == {"T1 → T2": "1 training cases"}
    path = manifest.folder / "shards" / "b.npy"
    rewrite_shard(manifest, path, 0.5 * np.load(path))  # of the other
    pair(halfway, manifest=manifest, paired=["a"])
    assert read(tmp_path / "out")[0] == rows
    pair(halfway, manifest=manifest)
    assert read(tmp_path / "out")[0] != rows


def test_without_a_training_pair_there_is_no_baseline_and_the_verdict_says_so(pair, make_set, tmp_path):
    pair(halfway, manifest=make_set(splits={"d": "test"}))
    rows, about = read(tmp_path / "out")
    assert not [name for name in rows[0] if "table" in name]
    assert about["verdict"].startswith("Compared with no baseline")


def test_a_table_of_contestants_has_a_row_for_the_model_and_for_each_baseline(evaluated):
    rows = list(csv.DictReader((evaluated / "contestants.csv").open()))
    wanted = [row for row in rows if (row["region"], row["metric"]) == ("lesion", "psnr")]
    assert [row["contestant"] for row in wanted] == ["model", "table", "patch"]
    assert {row["target"] for row in rows} == {"T2"}


def test_every_case_has_a_montage(evaluated):
    _, about = read(evaluated)
    assert about["montages"] == [{"case": name, "target": "T2", "file": f"{name}.png"} for name in "de"]
    assert sorted(path.name for path in (evaluated / "montage").iterdir()) == ["d.png", "e.png"]
    assert (evaluated / "montage" / "d.png").read_bytes().startswith(b"\x89PNG")


def test_what_an_earlier_evaluation_left_goes(pair, tmp_path):
    stale = (tmp_path / "out" / "montage" / "old.png", tmp_path / "out" / "calibration.json")
    stale[0].parent.mkdir(parents=True)
    for path in stale:
        path.write_text("{}")
    pair(halfway)
    assert not any(path.exists() for path in stale)


def test_a_case_name_cannot_leave_the_folder_and_two_names_never_share_a_file(pair, make_set, tmp_path):
    manifest = make_set()
    for row, name in zip(manifest.rows[3:], ("../x", "x"), strict=True):
        row["case"] = name
    pair(halfway, manifest=manifest)
    assert sorted(path.name for path in (tmp_path / "out" / "montage").iterdir()) == ["x.png", "x_1.png"]


def test_the_worst_slices_are_kept_as_panels(evaluated):
    about = json.loads((evaluated / "panels.json").read_text())
    assert {row["case"] for row in about} == {"d", "e"}
    assert about[0]["contrast"] == "T1 → T2"
    errors = [row["mae_model"] for row in about]
    assert errors == sorted(errors, reverse=True)


def test_any_to_any_has_a_row_and_a_montage_for_each_target(pair, make_set, tmp_path):
    def network(images, given):
        return torch.where(given[:, :, None, None], images, images.amax(dim=1, keepdim=True))

    three = ("FLAIR", "T1", "T2")
    summary = pair(network, manifest=make_set(contrasts=three), source=None, target=None, contrasts=three)
    rows, about = read(tmp_path / "out")
    assert [(row["case"], row["source"], row["target"]) for row in rows[:3]] == [
        ("d", "T1+T2", "FLAIR"),
        ("d", "FLAIR+T2", "T1"),
        ("d", "FLAIR+T1", "T2"),
    ]
    assert summary["psnr_model_foreground"]["n_subjects"] == 2
    assert "all contrasts" in summary["psnr_model_foreground"]["label"]
    for target in three:
        values = [float(row["psnr_model_foreground"]) for row in rows if row["target"] == target]
        found = summary["by_target"][target]["psnr_model_foreground"]
        assert found["mean"] == pytest.approx(np.mean(values), rel=1e-4)
        assert (found["n_subjects"], "all contrasts" in found["label"]) == (2, False)
        assert summary["by_target"][target]["gain_over_joint_psnr_foreground"]["n_subjects"] == 2
    assert json.loads((tmp_path / "out" / "summary.json").read_text()) == summary
    assert about["montages"][0]["file"] == "d__FLAIR.png"
    assert set(about["baselines"]) == {"table", "joint", "patch"}
    assert "FLAIR+T2 → T1" in about["baselines_fitted_on"]


def test_uncertainty_is_calibrated_on_validation_subjects(evaluated):
    record = json.loads((evaluated / "calibration.json").read_text())
    assert record["fitted_on"] == ["c"]
    assert set(record["after"]["coverage"]["by_case"]) == {"d T2", "e T2"}


def test_a_calibration_that_is_given_is_judged_and_none_is_fitted(pair, make_set, tmp_path):
    given = FittedSpread(calibration=Calibration(std=(0.0, 1.0), error=(0.0, 1.0)), subjects=("z",))
    pair(halfway, manifest=make_set(splits={"a": "train", "d": "test"}), uncertainty=True, calibration=given)
    assert json.loads((tmp_path / "out" / "calibration.json").read_text())["fitted_on"] == ["z"]
    seen = FittedSpread(calibration=given.calibration, subjects=("d",))
    with pytest.raises(DataError, match="1 of the subjects it is calibrated on: d"):
        pair(halfway, manifest=Manifest.read(tmp_path / "set"), uncertainty=True, calibration=seen)


@pytest.mark.parametrize("split", ["val", None])
def test_a_spread_is_not_judged_on_the_subjects_that_calibrate_it(pair, tmp_path, split):
    with pytest.raises(DataError, match="1 of the subjects it is calibrated on: c") as caught:
        pair(halfway, uncertainty=True, split=split)
    assert (caught.value.field, caught.value.value) == ("split", split)
    assert "without uncertainty" in caught.value.remedy
    assert not (tmp_path / "out" / "metrics.csv").exists()


def test_a_broken_validation_case_is_left_out_of_the_calibration_and_the_end_says_so(pair, make_set, tmp_path, caplog):
    manifest = make_set(splits={"a": "train", "b": "val", "c": "val", "d": "test"})
    (manifest.folder / "shards" / "b.npy").write_bytes(b"cut off")
    with pytest.raises(SomeFailedError, match=r"^the spread was not measured everywhere: .*b\.npy"):
        pair(halfway, manifest=manifest, uncertainty=True)
    record = json.loads((tmp_path / "out" / "calibration.json").read_text())
    assert record["fitted_on"] == ["c"]
    assert "b.npy" in record["failed"][0]
    assert "left out of the calibration" in caplog.text
    assert [row["case"] for row in read(tmp_path / "out")[0]] == ["d"]


def test_without_any_readable_validation_case_the_scores_stand_and_there_is_no_calibration(pair, make_set, tmp_path):
    manifest = make_set()
    (manifest.folder / "shards" / "c.npy").write_bytes(b"cut off")
    with pytest.raises(SomeFailedError, match=r"c\.npy.*no case to calibrate on"):
        pair(halfway, manifest=manifest, uncertainty=True)
    assert (tmp_path / "out" / "metrics.csv").is_file()
    assert not (tmp_path / "out" / "calibration.json").exists()


def test_a_brain_mask_is_a_region_of_its_own(pair, make_set, tmp_path):
    summary = pair(halfway, manifest=make_set(brain=("d",)))
    rows, about = read(tmp_path / "out")
    assert not [name for name in rows[0] if "lesion" in name]
    assert int(rows[0]["brain_voxels"]) > 1000
    assert summary["psnr_model_brain"]["n_subjects"] == 1
    assert about["definitions"]["brain"]["mask"] == "voxels that a brain mask marks (brain_mask)"
    assert about["labels"] == {"brain": ["brain_mask"]}


def test_uncertainty_without_validation_subjects_is_refused_before_the_work(pair, make_set, tmp_path):
    manifest = make_set(splits={"a": "train", "d": "test"})
    with pytest.raises(DataError, match="calibrated on it; put at least one subject"):
        pair(halfway, manifest=manifest, uncertainty=True)
    assert not (tmp_path / "out" / "metrics.csv").exists()


def test_a_bad_case_is_left_out_the_others_are_written_and_the_end_says_so(pair, make_set, tmp_path, caplog):
    manifest = make_set()
    (manifest.folder / "shards" / "d.npy").write_bytes(b"cut off")
    with pytest.raises(SomeFailedError, match=r"1 of 2 volumes.*d\.npy"):
        pair(halfway, manifest=manifest)
    rows, about = read(tmp_path / "out")
    assert [row["case"] for row in rows] == ["e"]
    assert "d.npy" in about["failed"][0]
    assert "d.npy" in caplog.text


def test_a_network_that_diverged_is_refused_and_nothing_is_written(pair, tmp_path):
    with pytest.raises(DataError, match=r"none of the 2 cases.*not finite"):
        pair(lambda images: images * torch.nan)
    assert not (tmp_path / "out" / "metrics.csv").exists()


def test_a_folder_that_cannot_be_written_is_refused_before_the_work(make_set, tmp_path):
    (tmp_path / "file").touch()
    made = Synthesiser(network=None, size=28)
    with pytest.raises(DataError, match="cannot write"):
        evaluate_synthesis(synthesiser=made, manifest=make_set(), out=tmp_path / "file", source="T1", target="T2")


def test_smoothing_is_an_option_that_the_record_tells(pair, make_set, tmp_path):
    manifest = make_set()
    stripes = lambda images: images * (1 + torch.arange(len(images))[:, None, None, None] % 2) / 2  # noqa: E731
    rough, smooth = (
        pair(stripes, manifest=manifest, smooth=sigma)["stripe_model_foreground"]["mean"] for sigma in (0.0, 1.0)
    )
    assert smooth < 0.6 * rough
    assert read(tmp_path / "out")[1]["smooth"] == 1.0


def test_a_method_can_be_evaluated_as_it_is(pair):
    method = mt_unet_tiny().eval()
    summary = pair(method.synthesise, size=method.patches.size)
    assert 0 < summary["psnr_model_whole"]["mean"] < 40
