"""CT to a prepared data set: Hounsfield units keep their meaning."""

from __future__ import annotations

import csv
import json
from io import StringIO

import numpy as np
import pytest
from rich.console import Console

from data_prep.mr import prepare
from medmae.data import Grid, Manifest, Normalisation
from medmae.data.volumes.cases import VolumeCases
from medmae.data.volumes.folder import VolumeFolder
from medmae.data.volumes.hounsfield import PRESETS
from medmae.data.volumes.target_intensity import target_intensities
from medmae.errors import DataError, ExitCode
from medmae.evaluate.synthesis.case_scores import stored_foreground


def body(seed=0):
    """Soft tissue and bone in noisy air, padded with -2000, int16."""
    rng = np.random.default_rng(seed)
    hu = rng.normal(-1000, 8, (14, 16, 10)).round().astype(np.int16)
    hu[3:-3, 3:-3, 2:-2] = rng.integers(-100, 1000, (8, 10, 6))
    hu[0] = -2000
    return hu


@pytest.fixture
def scans(tmp_path, save):
    """Three patients with a CT each."""
    for number in range(3):
        save(tmp_path / "raw" / f"p{number}" / "CT.nii.gz", array=body(number))
    return tmp_path / "raw"


def run(source, out, **options):
    said = StringIO()
    result = prepare(source=source, out=out, workers=0, **{"console": Console(file=said, width=400), **options})
    return result, said.getvalue()


def entries(result):
    return [row["contrasts"][0] for row in Manifest.read(result.manifest)]


def test_a_window_is_applied_recorded_and_undone(scans, tmp_path):
    result, _ = run(scans, tmp_path / "out", ct_window="soft", dtype="float32")
    assert result.exit_code == ExitCode.OK
    manifest = Manifest.read(result.manifest)
    for number, row in enumerate(manifest):
        (entry,) = row["contrasts"]
        grid, fit = Grid.from_dict(row["grid"]), Normalisation.from_dict(entry["normalisation"])
        assert (fit.lower, fit.upper, fit.background, fit.unit) == (-160, 240, -1024, "HU")
        assert (entry["flags"], row["flags"]) == ([], ["anisotropic"])
        assert 0.6 < entry["outside_window"]["above"] < 0.75
        hu = grid.to_canonical(body(number))
        stored = np.load(manifest.folder / row["shard"])[:, 0]
        inside = (hu > -160) & (hu < 240)
        np.testing.assert_allclose(stored, np.clip((hu + 160) / 400, 0, 1), atol=1e-6)
        np.testing.assert_allclose(fit.invert(stored)[inside], hu[inside], atol=1e-3)
        assert (fit.invert(stored)[hu < -160] == -1024).all()
        np.testing.assert_array_equal(stored_foreground(stored, entry), stored > 0)
    record = json.loads((tmp_path / "out" / "prep.json").read_text())
    assert record["options"]["ct_window"] == "soft"


def test_without_a_window_ct_is_wide_and_the_command_says_so(scans, tmp_path):
    result, said = run(scans, tmp_path / "out")
    assert {(one["normalisation"]["lower"], one["normalisation"]["upper"]) for one in entries(result)} == {
        (-1024, 1976)
    }
    assert "window wide, -1024 to 1976 HU" in said
    assert "window wide" not in run(scans, tmp_path / "out", ct_window="wide")[1]


def test_another_window_prepares_anew_and_the_same_one_keeps(scans, tmp_path):
    out = tmp_path / "out"
    assert run(scans, out, ct_window="lung")[0].kept == 0
    assert run(scans, out, ct_window="-600,1500")[0].kept == 3
    assert run(scans, out, ct_window="bone")[0].kept == 0
    assert {one["normalisation"]["upper"] for one in entries(run(scans, out, ct_window="bone")[0])} == {1300}


def test_ct_in_other_units_is_refused_by_a_window_and_flagged_without(scans, tmp_path, save):
    save(scans / "p1" / "CT.nii.gz", array=np.interp(body(), (-1024, 1000), (0, 255)).astype(np.uint8))
    result, _ = run(scans, tmp_path / "strict", ct_window="brain")
    assert (result.exit_code, result.prepared) == (ExitCode.SOME_FAILED, 2)
    with (tmp_path / "strict" / "quarantine.csv").open(newline="") as file:
        (line,) = csv.DictReader(file)
    assert (line["case"], "not in Hounsfield units: no value below 0" in line["reason"]) == ("p1", True)
    result, said = run(scans, tmp_path / "out")
    assert result.exit_code == ExitCode.OK
    assert ["not_in_hu" in one["flags"] for one in entries(result)] == [False, True, False]
    assert "unit" not in entries(result)[1]["normalisation"]
    assert "1 CT not in Hounsfield units" in said


def test_mr_beside_ct_keeps_its_percentiles(scans, tmp_path, save):
    array = np.zeros((14, 16, 10), np.int16)
    array[3:-3, 3:-3, 2:-2] = np.random.default_rng(9).integers(50, 1000, (8, 10, 6))
    save(scans / "p0" / "T1.nii.gz", array=array)
    result, _ = run(scans, tmp_path / "out", ct_window="brain")
    first = Manifest.read(result.manifest).rows[0]["contrasts"]
    assert {one["name"]: one["normalisation"] for one in first}["T1"] == Normalisation.fit(array).to_dict()


def test_a_window_without_ct_or_of_no_meaning_is_refused(cohort, scans, tmp_path):
    with pytest.raises(DataError, match=r"no case has any.*--ct-window.*T1"):
        run(cohort(folder="mr"), tmp_path / "out", ct_window="brain")
    with pytest.raises(ValueError, match="brain, soft, lung"):
        run(scans, tmp_path / "out", ct_window="head")


def test_an_old_data_set_of_mr_is_kept(cohort, tmp_path):
    result, _ = run(cohort(), tmp_path / "out")
    assert {row["options_sha256"] for row in Manifest.read(result.manifest)} == {"21318cf8549a30f2"}


def test_inference_reads_ct_as_preparation_does(scans, tmp_path):
    result, _ = run(scans, tmp_path / "out", ct_window="soft", dtype="float32")
    manifest = Manifest.read(result.manifest)
    cases, folder = VolumeCases(source=scans, contrasts=["CT"]), VolumeFolder(source=scans)
    cases.ct_window = folder.ct_window = PRESETS["soft"]
    for row, case, volume in zip(manifest, cases, [folder[n] for n in range(3)], strict=True):
        np.testing.assert_array_equal(case.array[:, 0], np.load(manifest.folder / row["shard"])[:, 0])
        given = row["contrasts"][0]["normalisation"]
        assert case.normalisations["CT"].to_dict() == volume.normalisation.to_dict() == given
    target = target_intensities(manifest=manifest, contrasts=["CT"], split=None)["contrasts"]["CT"]
    assert (target["lower"], target["upper"], target["darkest"], target["unit"]) == (-160, 240, -160, "HU")


def test_inference_refuses_ct_in_other_units_and_names_that_hide_mr(scans, tmp_path, save):
    save(scans / "p1" / "CT.nii.gz", array=np.interp(body(), (-1024, 1000), (0, 255)).astype(np.uint8))
    cases = VolumeCases(source=scans, contrasts=["CT"])
    cases.ct_window = PRESETS["soft"]
    with pytest.raises(DataError, match="not in Hounsfield units"):
        cases[1]
    folder = VolumeFolder(source=[save(tmp_path / name, array=abs(body())) for name in ("T1.nii", "x.nii")])
    folder.ct_window = PRESETS["soft"]
    assert folder[0].normalisation.unit is None
    with pytest.raises(DataError, match="not in Hounsfield units"):
        folder[1]
