from __future__ import annotations

import csv
import json
import os
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from rich.console import Console

from data_prep import case as case_module
from data_prep.mr import main, prepare
from medmae.data import Crops, Grid, Manifest, Normalisation, Samples, Slices
from medmae.errors import DataError, ExitCode
from medmae.evaluate.data_summary import summarise_data
from medmae.report.build import write_report

SHARED = Path(os.environ.get("MEDMAE_SHARED", Path(__file__).parents[3] / "shared")) / "data"
QUIET = Console(quiet=True)


def run(source, out, **options):
    return prepare(source=source, out=out, console=QUIET, **{"workers": 0, **options})


def table(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_folder_becomes_a_data_set_that_data_sets_read(cohort, tmp_path):
    result = run(cohort(), tmp_path / "out")
    assert (result.exit_code, result.prepared, result.kept, result.quarantined) == (ExitCode.OK, 3, 0, 0)
    assert result.subjects == {"train": 1, "val": 1, "test": 1}
    manifest = Manifest.read(result.manifest, verify=True)
    assert [row["case"] for row in manifest] == ["p1", "p2", "p3"]
    assert manifest.contrast_names == ("T1", "T2")
    item = Samples(source=manifest, view=Slices(size=16))[0]
    assert item["image"].shape == (1, 16, 16)
    assert Samples(source=manifest, view=Crops(size=(4, 4, 4)))[0]["image"].shape == (1, 4, 4, 4)
    assert [row["case"] for row in table(tmp_path / "out" / "summary.csv")] == ["p1", "p2", "p3"]
    assert table(tmp_path / "out" / "quarantine.csv") == []
    record = json.loads((tmp_path / "out" / "prep.json").read_text())
    assert record["counts"]["cases"] == 3
    assert record["versions"]["nibabel"] == nib.__version__
    assert not list((tmp_path / "out").rglob("*.part"))


def test_the_stored_slice_is_the_normalised_source_slice(cohort, tmp_path):
    source = cohort(("p1",))
    manifest = Manifest.read(run(source, tmp_path / "out", dtype="float32", margin=1).manifest)
    (row,) = manifest
    shard = np.load(manifest.folder / row["shard"])  # (S, C, H, W)
    array = np.asarray(nib.load(source / "p1" / "T2.nii.gz").dataobj)
    content = np.argwhere(array)
    assert shard.shape == (4 + 2, 2, 10 + 2, 8 + 2)
    grid = Grid.from_dict(row["grid"])
    fit = Normalisation.from_dict(row["contrasts"][1]["normalisation"])
    assert (fit.lower, fit.upper) == tuple(np.percentile(array[array != 0], (0.2, 99.8)))
    wanted = fit.apply(grid.to_canonical(array))
    np.testing.assert_array_equal(shard[:, 1], wanted)
    assert wanted.max() == 1
    back = grid.from_canonical(shard[:, 1])
    assert (back[array == 0] == 0).all()
    np.testing.assert_array_equal(np.argwhere(back), content)
    assert row["foreground"][0] == row["foreground"][-1] == 0
    assert row["foreground"][2] == pytest.approx(10 * 8 / (12 * 10), abs=1e-4)


def test_identity_through_float32_shards_is_bit_equal(tmp_path, save):
    """Intensities that normalisation maps to themselves come back with the bits and the header they had."""
    array = np.zeros((9, 10, 8), np.float32)
    array[2:-2, 2:-2, 2:-2] = np.linspace(0.001, 1, 5 * 6 * 4, dtype=np.float32).reshape(5, 6, 4)
    array[2:5, 2:5, 2:5], array[5:7, 5:8, 4:6] = 0.001, 1.0  # so that the percentiles are the extremes
    path = save(tmp_path / "raw" / "p1" / "T1.nii.gz", array=array)
    (row,) = manifest = Manifest.read(run(tmp_path / "raw", tmp_path / "out", dtype="float32").manifest)
    grid = Grid.from_dict(row["grid"])
    grid.write_nifti(np.load(manifest.folder / row["shard"])[:, 0], tmp_path / "back.nii.gz")
    before, after = nib.load(path), nib.load(tmp_path / "back.nii.gz")
    np.testing.assert_array_equal(np.asarray(after.dataobj), array)
    np.testing.assert_array_equal(before.affine, after.affine)
    assert before.header.get_zooms() == after.header.get_zooms()


def test_float16_shards_keep_the_background_at_zero(cohort, tmp_path):
    manifest = Manifest.read(run(cohort(("p1",)), tmp_path / "out").manifest)
    (row,) = manifest
    shard = np.load(manifest.folder / row["shard"])
    assert shard.dtype == np.float16
    assert (shard[0] == 0).all()
    assert shard.min() == 0
    assert shard.max() == 1


def test_a_bad_file_is_quarantined_and_the_rest_goes_on(cohort, tmp_path):
    source = cohort(("p1", "p2", "p3", "p4"))
    bad = source / "p2" / "T1.nii.gz"
    bad.write_bytes(bad.read_bytes()[:-20])
    with pytest.raises(SystemExit) as caught:
        main([str(source), str(tmp_path / "out"), "--workers", "0"])
    assert caught.value.code == ExitCode.SOME_FAILED
    (failure,) = table(tmp_path / "out" / "quarantine.csv")
    assert failure["case"] == "p2"
    assert failure["file"] == str(bad)
    assert "damaged" in failure["reason"]
    names = {row["case"]: [one["name"] for one in row["contrasts"]] for row in Manifest.read(tmp_path / "out")}
    assert names == {"p1": ["T1", "T2"], "p2": ["T2"], "p3": ["T1", "T2"], "p4": ["T1", "T2"]}


def test_a_case_of_which_nothing_can_be_read_is_quarantined_and_the_rest_goes_on(cohort, tmp_path):
    source = cohort(("p1", "p2"))
    for path in (source / "p2").iterdir():
        path.write_bytes(b"")
    assert run(source, tmp_path / "out").quarantined == 1
    assert [row["case"] for row in Manifest.read(tmp_path / "out")] == ["p1"]


def test_only_the_contrasts_and_labels_that_are_wanted_are_prepared(cohort, tmp_path, save):
    source = cohort(("p1", "p2"))
    save(source / "p1" / "seg.nii.gz", array=np.ones((14, 16, 10), np.uint8))
    save(source / "p1" / "run2_T2.nii.gz", array=np.ones((14, 16, 10), np.uint8))  # two of T2: nobody asks for it
    result = run(source, tmp_path / "out", contrasts="T1", labels="none")
    rows = list(Manifest.read(result.manifest))
    assert [[one["name"] for one in row["contrasts"]] for row in rows] == [["T1"], ["T1"]]
    assert not any(row["labels"] for row in rows)


def test_a_label_map_that_resampling_loses_is_flagged_in_every_table(tmp_path, save):
    far = np.diag([-1.0, 1.0, 2.0, 1.0])
    near, far[2, 3] = far.copy(), 900.0
    head = np.zeros((14, 16, 10), np.int16)
    head[3:9, 3:9, 3:7] = np.arange(144).reshape(6, 6, 4) + 100
    for name, array, affine in (("T1", head, near), ("T2", head + 1, far), ("seg", head > 0, far)):
        save(tmp_path / "in" / "p1" / f"{name}.nii.gz", array=array.astype(np.int16), affine=affine)
    (row,) = Manifest.read(run(tmp_path / "in", tmp_path / "out", resample_to="T1").manifest)
    assert "label_lost:1.00" in row["labels"][0]["flags"]
    assert "constant" in row["contrasts"][1]["flags"]
    (line,) = table(tmp_path / "out" / "summary.csv")
    assert "label_lost:1.00" in line["flags"]


def test_sources_are_found_from_any_folder(cohort, tmp_path, monkeypatch):
    cohort(("p1",))
    monkeypatch.chdir(tmp_path)
    (source,) = (path for path in tmp_path.iterdir() if path.is_dir() and path.name != "out")
    (row,) = Manifest.read(run(source.name, "out").manifest)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert all(Path(one["source"]).is_file() for one in row["contrasts"])
    record = json.loads((tmp_path / "out" / "prep.json").read_text())
    assert record["source"] == str(source)


def test_whatever_is_flagged_stands_in_manifest_table_and_report(tmp_path, save):
    rng = np.random.default_rng(0)
    inside = np.zeros((20, 20, 12), bool)
    inside[3:17, 3:17, 2:10] = True
    far = np.diag([-1.0, 1.0, 2.0, 1.0])
    far[2, 3] = 900.0
    volumes = {
        "T1": np.where(inside, np.where(rng.random(inside.shape) < 0.03, -50, rng.normal(500, 60, inside.shape)), 0),
        "T2": np.where(inside, 32000 + rng.integers(0, 700, inside.shape), 0),  # in float16 few of these are left
        "FLAIR": np.full(inside.shape, 7),
    }
    for name, array in volumes.items():
        save(tmp_path / "in" / "p1" / f"{name}.nii.gz", array=array.astype(np.int16))
    save(tmp_path / "in" / "p1" / "seg.nii.gz", array=inside.astype(np.int16), affine=far)
    (row,) = Manifest.read(run(tmp_path / "in", tmp_path / "out", resample_to="T1").manifest)
    told = {one["name"]: " ".join(one["flags"]) for one in (*row["contrasts"], *row["labels"])}
    (label,) = (one["name"] for one in row["labels"])
    (line,) = table(tmp_path / "out" / "summary.csv")
    run_folder = tmp_path / "run"
    run_folder.mkdir()
    (run_folder / "run.json").write_text(json.dumps({"data": summarise_data(tmp_path / "out")}))
    page = write_report(run_folder).read_text()
    for name, flag in (("T1", "clipped:0.0"), ("T2", "few_levels:"), ("FLAIR", "constant"), (label, "label_lost:1.00")):
        assert flag in told[name]
        assert f"{name}:{flag}" in line["flags"]
        assert f"{name}:{flag}" in page


def test_an_unforeseen_error_is_quarantined_with_its_type(cohort, tmp_path, monkeypatch):
    real = case_module.load_source

    def load(volume, **options):
        if volume.path.parent.name == "p1":
            raise MemoryError("no room")
        return real(volume, **options)

    monkeypatch.setattr(case_module, "load_source", load)
    result = run(cohort(), tmp_path / "out")
    assert result.exit_code == ExitCode.SOME_FAILED
    assert "MemoryError: no room" in table(tmp_path / "out" / "quarantine.csv")[0]["reason"]


def test_nothing_usable_is_refused(cohort, tmp_path, capsys):
    source = cohort(("p1", "p2"))
    for path in source.rglob("T*.nii.gz"):
        path.write_bytes(b"")
    with pytest.raises(SystemExit) as caught:
        main([str(source), str(tmp_path / "out")])
    assert caught.value.code == ExitCode.REFUSED
    message = capsys.readouterr().err
    assert "none of the 2 cases can be used" in message
    assert "Traceback" not in message
    assert not (tmp_path / "out" / "manifest.jsonl").exists()
    assert len(table(tmp_path / "out" / "quarantine.csv")) == 2


def test_a_volume_on_another_grid_is_left_out_and_passes_when_resampling_is_asked_for(tmp_path, save):
    other = {"shape": (20, 22, 12), "affine": np.diag([-0.7, 0.7, 2.5, 1])}
    save(tmp_path / "raw" / "p1" / "T1.nii.gz")
    save(tmp_path / "raw" / "p1" / "FLAIR.nii.gz", seed=1, **other)
    result = run(tmp_path / "raw", tmp_path / "out")
    assert result.exit_code == ExitCode.SOME_FAILED
    (row,) = Manifest.read(result.manifest)
    assert ([one["name"] for one in row["contrasts"]], row["flags"]) == (["T1"], ["anisotropic", "without:FLAIR"])
    (failure,) = table(tmp_path / "out" / "quarantine.csv")
    assert (failure["case"], failure["field"]) == ("p1", "shape")
    assert "--resample-to T1" in failure["remedy"]
    result = run(tmp_path / "raw", tmp_path / "out", resample_to="FLAIR")
    assert result.exit_code == ExitCode.OK
    (row,) = Manifest.read(result.manifest)
    assert row["grid"]["shape"] == [20, 22, 12]
    assert {c["name"]: c["flags"] for c in row["contrasts"]} == {"FLAIR": [], "T1": ["resampled_to:FLAIR"]}


def test_the_grid_of_most_images_of_a_case_is_kept(tmp_path, save):
    for number, name in enumerate(("FLAIR", "T2", "PD")):
        save(tmp_path / "raw" / "p1" / f"{name}.nii.gz", seed=number)
    save(tmp_path / "raw" / "p1" / "T1.nii.gz", seed=3, shape=(20, 22, 12))
    save(tmp_path / "raw" / "p1" / "seg.nii.gz", array=np.ones((20, 22, 12), np.uint8))
    (row,) = Manifest.read(run(tmp_path / "raw", tmp_path / "out").manifest)
    assert [one["name"] for one in row["contrasts"]] == ["FLAIR", "PD", "T2"]
    assert row["flags"][1:] == ["without:T1", "without:seg"]


def test_a_second_run_keeps_what_has_not_changed(cohort, tmp_path, save, monkeypatch):
    source, out = cohort(), tmp_path / "out"
    run(source, out)
    first = (out / "manifest.jsonl").read_bytes()
    stamps = {path.name: path.stat().st_mtime_ns for path in (out / "shards").glob("*.npy")}
    assert run(source, out).kept == 3
    assert (out / "manifest.jsonl").read_bytes() == first
    assert {path.name: path.stat().st_mtime_ns for path in (out / "shards").glob("*.npy")} == stamps

    save(source / "p2" / "T1.nii.gz", seed=99)
    result = run(source, out)
    assert (result.prepared, result.kept) == (1, 2)
    assert (run(source, out, dtype="float32").prepared, run(source, out, dtype="float32").kept) == (3, 3)

    shard = out / "shards" / "p1.npy"
    shard.write_bytes(shard.read_bytes()[:-10])
    assert run(source, out, dtype="float32").prepared == 1
    Manifest.read(out, verify=True)


def test_a_killed_run_goes_on_where_it_was(cohort, tmp_path, monkeypatch):
    source, out = cohort(), tmp_path / "out"
    real = case_module.load_source

    def killed(volume, **options):
        if volume.path.parent.name == "p3":
            raise KeyboardInterrupt
        return real(volume, **options)

    monkeypatch.setattr(case_module, "load_source", killed)
    with pytest.raises(KeyboardInterrupt):
        run(source, out)
    assert not (out / "manifest.jsonl").exists()
    monkeypatch.undo()
    result = run(source, out)
    assert (result.prepared, result.kept) == (1, 2)


def test_a_run_killed_between_shard_and_row_does_not_pair_an_old_row_with_a_new_shard(
    cohort, tmp_path, save, monkeypatch
):
    source, out = cohort(("p1",)), tmp_path / "out"
    run(source, out)
    before = (source / "p1" / "T1.nii.gz").read_bytes()
    save(source / "p1" / "T1.nii.gz", seed=99)

    def killed(path, text):
        raise KeyboardInterrupt

    monkeypatch.setattr(case_module, "write_text", killed)
    with pytest.raises(KeyboardInterrupt):
        run(source, out)
    monkeypatch.undo()
    (source / "p1" / "T1.nii.gz").write_bytes(before)
    run(source, out)
    Manifest.read(out, verify=True)


def test_a_given_split_is_obeyed_and_must_cover_everyone(cohort, tmp_path):
    source = cohort()
    (tmp_path / "s.csv").write_text("subject,split\np1,test\np2,train\np3,train\n")
    result = run(source, tmp_path / "out", split=tmp_path / "s.csv")
    assert Manifest.read(result.manifest).subjects("test") == ("p1",)
    (tmp_path / "s.csv").write_text("subject,split\np1,test\n")
    with pytest.raises(DataError, match="2 subjects have no split: p2, p3"):
        run(source, tmp_path / "out", split=tmp_path / "s.csv")


def test_all_sessions_of_a_subject_share_a_split(cohort, tmp_path):
    names = [f"p{n}_study{s}" for n in range(4) for s in (1, 2)]
    rows = Manifest.read(run(cohort(names), tmp_path / "out").manifest)
    assert len(rows) == 8
    assert len(rows.subjects()) == 4
    assert sum(len(rows.subjects(split)) for split in ("train", "val", "test")) == 4


def test_the_same_file_under_two_patients_is_refused_across_splits(cohort, tmp_path):
    source = cohort()
    shutil.copy(source / "p1" / "T1.nii.gz", source / "p2" / "T1.nii.gz")
    (tmp_path / "s.csv").write_text("subject,split\np1,test\np2,train\np3,train\n")
    with pytest.raises(DataError, match="the same content under different subjects"):
        run(source, tmp_path / "out", split=tmp_path / "s.csv")
    assert not (tmp_path / "out" / "manifest.jsonl").exists()


def test_labels_are_stored_beside_the_images(cohort, tmp_path, save):
    source = cohort(("p1",))
    mask = np.zeros((14, 16, 10), np.int32)
    mask[5:7, 6:9, 4] = 3
    save(source / "p1" / "seg.nii.gz", array=mask)
    manifest = Manifest.read(run(source, tmp_path / "out").manifest, verify=True)
    (row,) = manifest
    stored = np.load(manifest.folder / row["labels"][0]["shard"])
    assert stored.dtype == np.uint8
    np.testing.assert_array_equal(Grid.from_dict(row["grid"]).from_canonical(stored), mask)
    save(source / "p1" / "seg.nii.gz", array=mask.astype(np.float32) / 2)
    result = run(source, tmp_path / "out")
    assert "whole numbers from 0 to 255" in table(tmp_path / "out" / "quarantine.csv")[0]["reason"]
    (row,) = Manifest.read(result.manifest)
    assert not row["labels"]
    assert len(row["contrasts"]) == 2


def test_a_constant_contrast_is_flagged_and_not_divided_by_zero(cohort, tmp_path, save):
    source = cohort(("p1",))
    save(source / "p1" / "T2.nii.gz", array=np.full((14, 16, 10), 7, np.int16))
    manifest = Manifest.read(run(source, tmp_path / "out").manifest)
    (row,) = manifest
    assert row["contrasts"][1]["flags"] == ["constant"]
    assert (np.load(manifest.folder / row["shard"])[:, 1] == 0).all()
    assert len(Samples(source=manifest, view=Slices(size=None))) == 4  # T1's only


def test_nan_is_refused_set_and_recorded(cohort, tmp_path, save):
    source = cohort(("p1",))
    array = np.zeros((14, 16, 10), np.float32)
    array[4:8, 4:8, 4:8] = np.random.default_rng(0).random((4, 4, 4)) + 1
    array[5, 5, 5] = np.nan
    save(source / "p1" / "T2.nii.gz", array=array)
    run(source, tmp_path / "out")
    assert "NaN or infinite" in table(tmp_path / "out" / "quarantine.csv")[0]["reason"]
    (row,) = Manifest.read(run(source, tmp_path / "out", nan="zero").manifest)
    assert row["contrasts"][1]["flags"] == ["nan_set_to_zero:1"]


def test_zarr_shards_read_the_same(cohort, tmp_path):
    pytest.importorskip("zarr")
    source = cohort(("p1",))
    plain = Samples(source=run(source, tmp_path / "a").manifest, view=Slices(size=None))
    result = run(source, tmp_path / "b", zarr=True)
    assert run(source, tmp_path / "b", zarr=True).kept == 1
    stored = Samples(source=Manifest.read(result.manifest, verify=True), view=Slices(size=None))
    assert len(plain) == len(stored)
    for index in range(len(plain)):
        np.testing.assert_array_equal(stored[index]["image"], plain[index]["image"])
    crop = Samples(source=result.manifest, view=Crops(size=(4, 4, 4)))[1]["image"]
    np.testing.assert_array_equal(crop, Samples(source=tmp_path / "a", view=Crops(size=(4, 4, 4)))[1]["image"])


def test_an_output_that_cannot_be_written_is_refused_before_the_work(cohort, tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(DataError, match="cannot be written"):
        run(cohort(("p1",)), tmp_path / "file" / "out")


@pytest.mark.parametrize(
    "options", [{"dtype": "int8"}, {"nan": "skip"}, {"margin": -1}, {"background": "x"}, {"fractions": (1, 1, 1)}]
)
def test_bad_options_are_refused_with_the_value(cohort, tmp_path, options):
    with pytest.raises(ValueError, match="got"):
        run(cohort(("p1",)), tmp_path / "out", **options)


def shared(name):
    path = SHARED / name
    if not path.exists():
        pytest.skip(f"the shared data {name} are not here")
    return path


def test_real_volumes_are_prepared_upright(tmp_path):
    manifest = Manifest.read(run(shared("mri/open_ms_cross"), tmp_path / "out").manifest)
    assert manifest.contrast_names == ("FLAIR", "T1", "T1CE", "T2")
    for row in manifest:
        assert row["labels"][0]["name"] == "gold_standard"
        shard = np.load(manifest.folder / row["shard"], mmap_mode="r")
        assert shard.max() == 1
        assert shard.min() == 0
        # Vertex above, and the frontal half of a brain narrower than the parietal one.
        widths = (shard[shard.shape[0] // 2, 1] > 0).sum(axis=1)
        assert widths[: len(widths) // 4].mean() < widths[-len(widths) // 2 : -len(widths) // 4].mean()
        assert row["foreground"][-8] < row["foreground"][len(row["foreground"]) // 2]


def test_real_heads_with_skull_and_thick_slices_are_prepared(tmp_path):
    result = run(shared("mri/open_ms_long_paired"), tmp_path / "out")
    rows = Manifest.read(result.manifest)
    assert len(rows) == 4
    assert sorted(result.subjects.values()) == [1, 1, 1]
    assert all(row["flags"] == ["anisotropic"] for row in rows)


@pytest.mark.parametrize(("name", "reference"), [("open_ms_long_raw", "FLAIR"), ("tcga_fg_6692", "T1")])
def test_real_unequal_grids_cost_volumes_and_pass_with_resampling(tmp_path, name, reference):
    source = shared(f"mri/{name}")
    assert run(source, tmp_path / "out").exit_code == ExitCode.SOME_FAILED
    failures = table(tmp_path / "out" / "quarantine.csv")
    assert all("not on one grid" in failure["reason"] for failure in failures)
    result = run(source, tmp_path / "out", resample_to=reference)
    assert result.exit_code == ExitCode.OK


def test_real_dicom_and_nifti_are_read_from_one_folder(tmp_path):
    result = run(shared("ct_dicom"), tmp_path / "out")
    assert {row["case"]: row["contrasts"][0]["name"] for row in Manifest.read(result.manifest)} == {
        "nnunet_ct": "CT",
        "niivue_ct": "CT",
        "t1_dicom_16slices": "T1",
        "torchio": "CT",
    }


def test_a_mask_that_is_called_as_an_image_costs_itself_unless_a_table_says_so(tmp_path, save):
    import numpy as np

    from data_prep.mr import prepare
    from medmae.data import Manifest

    for name in ("a", "b"):
        array = np.zeros((14, 16, 10), dtype=np.int16)
        array[4:9, 4:9, 3:7] = 1
        array[4:9, 4:6, 3:7] = 2
        save(tmp_path / "raw" / name / "T1.nii.gz", seed=ord(name))
        save(tmp_path / "raw" / name / "T2.nii.gz", array=array + (name == "b") * (array > 0))
    result = prepare(source=tmp_path / "raw", out=tmp_path / "out", workers=0)
    assert [[one["name"] for one in row["contrasts"]] for row in Manifest.read(result.manifest)] == [["T1"], ["T1"]]
    assert (tmp_path / "out" / "quarantine.csv").read_text().count("holds a mask or label map") == 2
    (tmp_path / "t.csv").write_text("subject,contrast,path\na,T1,raw/a/T1.nii.gz\na,T2,raw/a/T2.nii.gz\n")
    result = prepare(source=tmp_path / "t.csv", out=tmp_path / "said", workers=0)
    (row,) = Manifest.read(result.manifest)
    assert "like_a_label_map" in row["contrasts"][1]["flags"]
