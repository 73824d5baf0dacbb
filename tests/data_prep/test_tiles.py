from __future__ import annotations

import csv
import io
import json
import shutil
import zlib

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from data_prep.tiles import main, prepare
from medmae.data import Manifest, Samples, Tiles
from medmae.errors import DataError, ExitCode

QUIET = Console(quiet=True)


def pixels(seed, shape=(12, 10)):
    return np.random.default_rng(seed).integers(0, 256, (*shape, 3), dtype=np.uint8)


def save(path, *, seed, shape=(12, 10)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels(seed, shape)).save(path)
    return path


@pytest.fixture
def classes(tmp_path):
    """Class folders with images ``<patient>_<n>.png``: ``classes({"TUM": ["p1", "p2"]}, each=2)``."""

    def make(patients, *, each=2, folder="raw"):
        for label, names in patients.items():
            for name in names:
                for number in range(each):
                    path = tmp_path / folder / label / f"{name}_{number}.png"
                    save(path, seed=zlib.crc32(str(path.relative_to(tmp_path)).encode()))
        return tmp_path / folder

    return make


def run(source, out, **options):
    return prepare(source=source, out=out, console=QUIET, **{"workers": 0, **options})


def table(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def stored(manifest):
    """Pixels by name."""
    return {
        name: tile
        for row in manifest
        for name, tile in zip(row["tiles"]["name"], np.load(manifest.folder / row["shard"]), strict=True)
    }


BY_PATIENT = {"subject_from": r"^(\w+?)_"}


# ---------------------------------------------------------------------------------------------------------- patients
def test_tiles_of_a_patient_share_a_shard_and_a_split(classes, tmp_path):
    source = classes({"ADI": ["p1", "p2", "p3"], "TUM": ["p1", "p4", "p5"]})
    result = run(source, tmp_path / "out", **BY_PATIENT)
    assert result.exit_code == ExitCode.OK
    manifest = Manifest.read(result.manifest, verify=True)
    assert [row["case"] for row in manifest] == ["p1", "p2", "p3", "p4", "p5"]
    assert manifest.rows[0]["tiles"]["label"] == ["ADI", "ADI", "TUM", "TUM"]
    assert all(row["flags"] == [] for row in manifest)
    assert set(result.subjects.values()) == {1, 3}
    for name, tile in stored(manifest).items():
        np.testing.assert_array_equal(tile, np.asarray(Image.open(source / name)))
    data = Samples(source=manifest, view=Tiles(size=8), split=None)
    assert len(data) == 12
    assert data.classes == ("ADI", "TUM")


def test_without_patients_images_are_split_by_class_and_that_is_flagged_and_told(classes, tmp_path):
    source = classes({"ADI": ["a"], "TUM": ["b"]}, each=10)
    console = Console(file=io.StringIO(), width=200)
    prepare(source=source, out=tmp_path / "out", workers=0, console=console)
    manifest = Manifest.read(tmp_path / "out")
    counts = {row["case"]: row["count"] for row in manifest}
    assert counts == {f"{split}_{c}_0000": n for c in ("ADI", "TUM") for split, n in zip(("train", "val", "test"), (7, 1, 2), strict=True)}  # fmt: skip # noqa: E501
    assert all(row["flags"] == ["no_patient", "split_by_image"] for row in manifest)
    assert "no patient is known" in console.file.getvalue()
    names = [name for row in manifest for name in row["tiles"]["name"]]
    assert sorted(names) == sorted(path.relative_to(source).as_posix() for path in source.rglob("*.png"))


def test_where_slides_are_known_but_no_patients_slides_stay_together(classes, tmp_path):
    source = classes({"ADI": ["s1", "s2"], "TUM": ["s1", "s3"]})
    manifest = Manifest.read(run(source, tmp_path / "out", slide_from=r"^(s\d)").manifest)
    assert [(row["subject"], row["count"]) for row in manifest] == [("s1", 4), ("s2", 2), ("s3", 2)]
    assert all(row["flags"] == ["no_patient", "subject_is_slide"] for row in manifest)
    assert manifest.rows[0]["tiles"]["slide"] == ["s1"] * 4


def test_images_of_one_value_are_counted_in_manifest_and_table(classes, tmp_path):
    blank = np.full((12, 10, 3), 200, np.uint8)
    source = classes({"TUM": ["p1", "p2"], "STR": ["p3", "p4"]})
    Image.fromarray(blank).save(sorted(source.rglob("*.png"))[0])
    for kept in (0, 1):
        result = run(source, tmp_path / "out", subject_from=r"^(p\d)_")
        assert bool(result.kept) == bool(kept)
        flagged = [row for row in Manifest.read(result.manifest) if "constant:1" in row["flags"]]
        assert [line["case"] for line in table(tmp_path / "out" / "summary.csv") if "constant:1" in line["flags"]] == [
            row["case"] for row in flagged
        ]
        assert len(flagged) == 1


def test_a_pattern_that_misses_a_name_is_refused(classes, tmp_path):
    source = classes({"ADI": ["p1"]})
    save(source / "ADI" / "other.png", seed=9)
    with pytest.raises(DataError, match=r"--subject-from matches nothing in 1 of 3 names: other"):
        run(source, tmp_path / "out", **BY_PATIENT)


def test_large_classes_are_cut_into_shards_of_one_split(classes, tmp_path, monkeypatch):
    monkeypatch.setattr("data_prep.tile_groups._CHUNK", 4)
    manifest = Manifest.read(run(classes({"ADI": ["a"]}, each=14), tmp_path / "out").manifest)
    assert {row["case"]: row["count"] for row in manifest if row["split"] == "train"} == {
        "train_ADI_0000": 4,
        "train_ADI_0001": 4,
        "train_ADI_0002": 2,
    }


# -------------------------------------------------------------------------------------------------- layouts, splits
def test_folders_of_splits_are_obeyed_and_val_is_drawn_from_train(classes, tmp_path):
    for number, folder in enumerate(("Train", "Test")):
        source = classes({f"{folder}/TUM": [f"{folder}{n}" for n in range(10)]}, each=1)
        save(source / folder / "mae" / "H" / "TUM_x.png", seed=90 + number)
    result = run(source, tmp_path / "out", **BY_PATIENT)
    manifest = Manifest.read(result.manifest)
    assert all(name.startswith("Test") for name in manifest.subjects("test"))
    assert {split: len(manifest.subjects(split)) for split in ("train", "val", "test")} == {
        "train": 9,
        "val": 1,
        "test": 10,
    }
    assert Samples(source=manifest, view=Tiles(), split="test").classes == ("TUM",)
    assert len(result.left_out) == 2  # what lies deeper is no class


def test_a_val_folder_is_not_added_to(classes, tmp_path):
    source = classes(
        {f"{split}/TUM": [f"{split}{n}" for n in range(9)] for split in ("train", "valid", "test")}, each=1
    )
    result = run(source, tmp_path / "out", **BY_PATIENT)
    assert result.subjects == {"train": 9, "val": 9, "test": 9}


def test_the_folders_of_nct_crc_are_known(classes, tmp_path):
    classes({"NCT-CRC-HE-100K/ADI": ["x"], "CRC-VAL-HE-7K/ADI": ["y"]}, each=3)
    manifest = Manifest.read(run(tmp_path / "raw", tmp_path / "out", fractions=(1, 0, 0)).manifest)
    assert {row["case"]: row["count"] for row in manifest} == {"train_ADI_0000": 3, "test_ADI_0000": 3}


def test_a_patient_in_two_folders_of_splits_is_refused(classes, tmp_path):
    source = classes({"train/TUM": ["p1", "p2"], "test/TUM": ["p2"]})
    with pytest.raises(DataError, match=r"same subject is in more than one split: p2 \(test, train\)"):
        run(source, tmp_path / "out", **BY_PATIENT)
    assert not (tmp_path / "out").exists()


def test_a_table_gives_labels_patients_slides_and_splits(tmp_path):
    for number in range(4):
        save(tmp_path / "raw" / f"{number}.png", seed=number)
    lines = [f"raw/{n}.png,{'ab'[n % 2]},p{n // 2},s{n},{('train', 'test')[n // 2]}" for n in range(4)]
    (tmp_path / "t.csv").write_text("\n".join(["path,label,patient,slide,split", *lines]) + "\n")
    manifest = Manifest.read(run(tmp_path / "t.csv", tmp_path / "out", fractions=(1, 0, 0)).manifest)
    assert [(row["subject"], row["split"], row["tiles"]["label"]) for row in manifest] == [
        ("p0", "train", ["a", "b"]),
        ("p1", "test", ["a", "b"]),
    ]
    assert Samples(source=manifest, view=Tiles(), split="test").describe(1) == {
        "case": "p1",
        "subject": "p1",
        "slide": "s3",
        "tile": "raw/3.png",
    }


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("path,patient\na.png,p1\nb.png,\n", "1 of 2 have no patient, the others have one: b.png"),
        ("path,split\na.png,holdout\n", "line 2 names no split"),
        ("path\na.png\na.png\n", "1 images stand twice in the table: a.png"),
        ("file\na.png\n", "lacks columns"),
        ("path,label\n,x\n", "line 2 has an empty field"),
    ],
)
def test_a_table_that_makes_no_sense_is_refused(tmp_path, lines, message):
    (tmp_path / "t.csv").write_text(lines)
    with pytest.raises(DataError, match=message):
        run(tmp_path / "t.csv", tmp_path / "out")


def test_a_flat_folder_has_its_classes_in_the_names_or_none(tmp_path):
    for number, name in enumerate(("ADI-AAA", "TUM-AAB")):
        save(tmp_path / "raw" / f"{name}.tif", seed=number)
    manifest = Manifest.read(run(tmp_path / "raw", tmp_path / "a", label_from=r"^([A-Z]+)-", mpp=0.5).manifest)
    assert {row["tiles"]["label"][0] for row in manifest} == {"ADI", "TUM"}
    assert all(row["mpp"] == 0.5 for row in manifest)
    unlabelled = Samples(source=run(tmp_path / "raw", tmp_path / "b").manifest, view=Tiles(), split=None)
    assert unlabelled.labels.tolist() == [-1, -1]


def test_a_split_file_needs_patients_and_no_second_opinion(classes, tmp_path):
    (tmp_path / "s.csv").write_text("subject,split\np1,train\np2,test\n")
    source = classes({"ADI": ["p1", "p2"]})
    result = run(source, tmp_path / "out", split=tmp_path / "s.csv", **BY_PATIENT)
    assert Manifest.read(result.manifest).subjects("test") == ("p2",)
    with pytest.raises(DataError, match="a split by patient needs patients"):
        run(save(tmp_path / "flat" / "a.png", seed=1).parent, tmp_path / "out", split=tmp_path / "s.csv")
    nested = classes({"train/ADI": ["p1"], "test/ADI": ["p2"]}, folder="nested")
    with pytest.raises(DataError, match="both say who is in which split"):
        run(nested, tmp_path / "out", split=tmp_path / "s.csv", **BY_PATIENT)


def test_a_folder_without_images_is_refused(tmp_path):
    (tmp_path / "raw" / "ADI").mkdir(parents=True)
    with pytest.raises(DataError, match="no image is here"):
        run(tmp_path / "raw", tmp_path / "out")
    with pytest.raises(ValueError, match="mpp must be"):
        run(tmp_path / "raw", tmp_path / "out", mpp=0)


# -------------------------------------------------------------------------------------------------------------- images
def test_images_of_another_size_get_a_shard_of_their_own(classes, tmp_path):
    source = classes({"ADI": ["p1"]})
    save(source / "ADI" / "p1_big.png", seed=70, shape=(20, 30))
    manifest = Manifest.read(run(source, tmp_path / "out", **BY_PATIENT).manifest)
    assert [(row["case"], row["size"], row["count"]) for row in manifest] == [
        ("p1", [12, 10], 2),
        ("p1_20x30", [20, 30], 1),
    ]
    assert {row["subject"] for row in manifest} == {"p1"}


def test_bad_images_are_quarantined_and_the_rest_goes_on(classes, tmp_path):
    source = classes({"ADI": ["p1", "p2"], "TUM": ["p3"]})
    bad = source / "ADI" / "p1_0.png"
    bad.write_bytes(bad.read_bytes()[:-60])
    (source / "TUM" / "p3_0.png").write_bytes(b"")
    with pytest.raises(SystemExit) as caught:
        main([str(source), str(tmp_path / "out"), "--workers", "0", "--subject-from", r"^(\w+?)_"])
    assert caught.value.code == ExitCode.SOME_FAILED
    lines = table(tmp_path / "out" / "quarantine.csv")
    assert [(line["case"], line["file"]) for line in lines] == [("p1", str(bad)), ("p3", str(source / "TUM/p3_0.png"))]
    assert "truncated" in lines[0]["reason"]
    manifest = Manifest.read(tmp_path / "out")
    assert {row["case"]: row["count"] for row in manifest} == {"p1": 1, "p2": 2, "p3": 1}
    np.testing.assert_array_equal(stored(manifest)["ADI/p1_1.png"], np.asarray(Image.open(source / "ADI/p1_1.png")))


def test_nothing_usable_is_refused(classes, tmp_path):
    source = classes({"ADI": ["p1"]})
    for path in source.rglob("*.png"):
        path.write_bytes(b"x")
    with pytest.raises(DataError, match=r"none of the 2 parts can be used; the first, .*p1_0\.png"):
        run(source, tmp_path / "out")
    assert not (tmp_path / "out" / "manifest.jsonl").exists()


def test_one_image_in_two_splits_is_refused(classes, tmp_path):
    source = classes({"train/ADI": ["p1"], "test/ADI": ["p2"]})
    shutil.copy(source / "train/ADI/p1_0.png", source / "test/ADI/p2_9.png")
    with pytest.raises(
        DataError, match=r"same content under different subjects: train/ADI/p1_0\.png \(p1\) = test/ADI/p2_9"
    ):
        run(source, tmp_path / "out", **BY_PATIENT)


# -------------------------------------------------------------------------------------------------------------- resume
def test_a_second_run_keeps_what_has_not_changed(classes, tmp_path, monkeypatch):
    source, out = classes({"ADI": ["p1", "p2"], "TUM": ["p3"]}), tmp_path / "out"
    bad = source / "ADI" / "p1_0.png"
    whole = bad.read_bytes()
    bad.write_bytes(whole[:-60])
    run(source, out, **BY_PATIENT)
    first = (out / "manifest.jsonl").read_bytes()
    again = run(source, out, **BY_PATIENT)
    assert (again.kept, again.prepared, again.quarantined) == (3, 0, 1)  # a fault is told again
    assert (out / "manifest.jsonl").read_bytes() == first
    bad.write_bytes(whole)
    mended = run(source, out, **BY_PATIENT)
    assert (mended.kept, mended.prepared, mended.exit_code) == (2, 1, ExitCode.OK)
    save(source / "TUM" / "p3_7.png", seed=50)
    assert run(source, out, **BY_PATIENT).prepared == 1
    Manifest.read(out, verify=True)


def test_a_corrected_label_reaches_the_manifest(tmp_path):
    save(tmp_path / "a.png", seed=1)
    for label in ("TUM", "STR"):
        (tmp_path / "t.csv").write_text(f"path,label,patient\na.png,{label},p1\n")
        (row,) = Manifest.read(run(tmp_path / "t.csv", tmp_path / "out").manifest)
        assert row["tiles"]["label"] == [label]


# ---------------------------------------------------------------------------------------------------------------- real
def histology(shared, name):
    folder = shared / "data" / "histology" / name
    if not folder.is_dir():
        pytest.skip(f"the shared data have no {name}")
    return folder


def test_real_breast_tiles_are_split_by_patient(shared, tmp_path):
    source = histology(shared, "breakhis_samples")
    result = run(source, tmp_path / "out", subject_from=r"^SOB_[BM]_[A-Z]+_\d+-(\d+)")
    manifest = Manifest.read(result.manifest)
    assert len(manifest) == 7  # 14134 and 14134E are one
    data = Samples(source=manifest, view=Tiles(), split=None)
    assert data.classes == ("benign", "malignant")
    assert np.bincount(data.labels).tolist() == [18, 30]
    assert data[0]["image"].shape == (3, 224, 224)


def test_real_colon_tiles_have_their_classes_in_their_names(shared, tmp_path):
    source = histology(shared, "nct_crc_he_samples")
    manifest = Manifest.read(run(source, tmp_path / "out", label_from=r"^([A-Z]+)-").manifest)
    kept = ("ADI", "DEB", "LYM", "MUC", "MUS", "NORM", "STR", "TUM")
    assert Samples(source=manifest, view=Tiles(), classes=kept).labels.tolist() == list(range(8))


def test_real_stained_images_come_from_a_table(shared, tmp_path):
    source = histology(shared, "dsb2018_stained")
    lines = table(source / "labels.csv")
    text = "".join(f"{source}/images/{line['id']}.png,{line['stain_group']}\n" for line in lines)
    (tmp_path / "t.csv").write_text("path,label\n" + text)
    data = Samples(source=run(tmp_path / "t.csv", tmp_path / "out").manifest, view=Tiles(), split=None)
    assert len(data) == 48
    assert data.classes == ("pink_purple", "purple_on_purple", "purple_on_white")
    record = json.loads((tmp_path / "out" / "prep.json").read_text())
    assert record["counts"]["quarantined"] == 0
