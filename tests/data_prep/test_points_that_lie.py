"""Shapes: copies in another order or place, whose an array is, labels that are several, columns that are no places."""

import io
import json

import nibabel as nib
import numpy as np
import pytest
from rich.console import Console

from data_prep.points import prepare
from medmae.data.points.collections import collections_in
from medmae.data.points.form import form_of, twins_among
from medmae.data.points.read import read_shape
from medmae.errors import DataError


def cloud(seed, count=120):
    rng = np.random.default_rng(seed)
    places = rng.normal(size=(count, 3))
    return places / np.linalg.norm(places, axis=1, keepdims=True) * 20 * (1 + 0.3 * rng.random(3))


def run(source, out, **options):
    console = Console(file=io.StringIO(), width=400)
    asked = {"unit": "mm", "points": 64, "patches": 0, "patch_points": 32, "workers": 0} | options
    result = prepare(source=source, out=out, console=console, **asked)
    rows = [json.loads(line) for line in (out / "manifest.jsonl").read_text().splitlines()]
    return result, rows, console.file.getvalue()


def save(folder, **arrays):
    folder.mkdir(exist_ok=True)
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)
    return folder


def test_points_in_another_order_are_a_copy(tmp_path):
    places = cloud(1)
    save(tmp_path / "raw", a1=places, b2=places[np.random.default_rng(0).permutation(len(places))], c3=cloud(3))
    with pytest.raises(DataError, match="hold the same content under different subjects: a1"):
        run(tmp_path / "raw", tmp_path / "out")


@pytest.mark.parametrize(
    "change",
    [
        lambda places: places + 7,
        lambda places: places * [-1, 1, 1],
        lambda places: places / 10,
        lambda places: places.round(4),
        lambda places: places @ np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))[0],
    ],
)
def test_a_copy_that_was_moved_mirrored_zoomed_rounded_or_turned_is_told(tmp_path, change):
    save(tmp_path / "raw", a1=cloud(1), b2=change(cloud(1)), c3=cloud(3))
    _, _, told = run(tmp_path / "raw", tmp_path / "out")
    assert "1 shapes of different subjects are one" in told
    assert "a1 = b2" in told or "b2 = a1" in told


def test_shapes_of_one_subject_and_other_shapes_are_no_twins():
    forms = {f"{seed}": form_of(cloud(seed)) for seed in range(20)}
    assert twins_among(forms) == []
    assert twins_among({**forms, "x": form_of(cloud(3) * 2), "y": form_of(cloud(4, count=121))}) in (
        [("3", "x")],
        [("x", "3")],
    )


def archive(path, **arrays):
    np.savez(path, **arrays)
    return path


CLOUDS = np.stack([cloud(seed) for seed in range(6)])


def test_subjects_of_an_archive_stay_together(tmp_path):
    path = archive(
        tmp_path / "a.npz", data=CLOUDS, label=np.arange(6) % 2, subjects=["p1", "p1", "p2", "p2", "p3", "p3"]
    )
    _, rows, _ = run(path, tmp_path / "out")
    assert [row["subject"] for row in rows] == ["p1", "p1", "p2", "p2", "p3", "p3"]
    assert len({(row["subject"], row["split"]) for row in rows}) == 3
    assert not any("no_patient" in row["flags"] or "split_by_shape" in row["flags"] for row in rows)
    halves = {"train_x": CLOUDS, "test_x": CLOUDS[::-1]}
    both = archive(tmp_path / "b.npz", **halves, train_subjects=list("abcdef"), test_subjects=list("fzyxwv"))
    with pytest.raises(DataError, match="more than one split"):
        run(both, tmp_path / "out2")


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"label": np.zeros((6, 2), int)}, "several numbers a shape"),
        ({"label": np.arange(6) * 1.5}, "labels are no classes"),
        ({"label": np.array([0, 1, np.nan, 0, 1, 0])}, "labels are no classes"),
        ({"label": np.arange(6), "classes": np.array(["a", "b"])}, "classes that are not there"),
        ({"patient_name": np.arange(6)}, "looks like patients or splits"),
        ({"subjects": ["p1"] * 5}, "not as many subjects"),
        ({"label": np.arange(6), "labels": np.arange(6)}, "two arrays say the same"),
    ],
)
def test_what_an_archive_says_in_several_ways_is_refused(tmp_path, more, message):
    with pytest.raises(DataError, match=message) as caught:
        collections_in(archive(tmp_path / "a.npz", data=CLOUDS, **more))
    assert caught.value.path == tmp_path / "a.npz"


def test_whole_numbers_that_are_floats_are_the_classes_they_are(tmp_path):
    found, _ = collections_in(archive(tmp_path / "a.npz", data=CLOUDS, label=np.arange(6.0)))
    assert found[0].labels == ("0", "1", "2", "3", "4", "5")


def test_groups_of_an_hdf5_file_are_named(tmp_path):
    import h5py

    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["data"] = CLOUDS
        file.create_group("more")["data"] = CLOUDS
    assert collections_in(tmp_path / "a.h5")[1] == ["more/"]


@pytest.mark.parametrize("last", [2, 255])
def test_label_maps_and_grey_values_in_an_array_are_no_masks(tmp_path, last):
    masks = np.zeros((3, 8, 8, 8), np.uint8)
    masks[:, 2:6, 2:6, 2:6] = 1
    masks[1, 3, 3, 3] = last
    path = archive(tmp_path / "a.npz", train_images=masks)
    _, rows, _ = run(path, tmp_path / "out", unit=None, voxel_mm=1.0)
    told = (tmp_path / "out" / "quarantine.csv").read_text()
    assert "a mask has 0 and one other value" in told
    assert "00001" in told
    assert [row["case"][-5:] for row in rows] == ["00000"]  # the third is its copy


@pytest.mark.parametrize("columns", [np.c_[np.arange(120), cloud(1)], np.random.default_rng(0).normal(size=(120, 512))])
def test_numbers_of_points_and_features_are_no_places(tmp_path, columns):
    np.save(tmp_path / "a.npy", columns)
    with pytest.raises(DataError, match="x, y and z come first") as caught:
        read_shape(tmp_path / "a.npy")
    assert caught.value.field == "columns"


def test_a_label_of_one_file_and_another_file_are_not_one_case(tmp_path):
    mask = np.zeros((16, 16, 16), np.uint8)
    mask[3:12, 3:12, 3:12] = 1
    mask[5:9, 5:9, 5:9] = 2
    save(tmp_path / "raw", p1_2=cloud(1))
    nib.save(nib.Nifti1Image(mask, np.eye(4)), tmp_path / "raw" / "p1.nii.gz")
    with pytest.raises(DataError, match="different cases have the same name"):
        run(tmp_path / "raw", tmp_path / "out", size="removed", unit=None)


def test_a_segmentation_is_in_millimetres_whatever_the_user_says(tmp_path):
    mask = np.zeros((16, 16, 16), np.uint8)
    mask[3:12, 3:12, 3:12] = 1
    (tmp_path / "raw").mkdir()
    nib.save(nib.Nifti1Image(mask, np.eye(4)), tmp_path / "raw" / "p1.nii.gz")
    with pytest.raises(DataError, match="in millimetres, by its own header"):
        run(tmp_path / "raw", tmp_path / "out", unit="cm")


@pytest.mark.parametrize(("head", "fields"), [("start,end", "0,1"), ("fps", "25")])
def test_a_table_of_shapes_that_speaks_of_times_is_refused(tmp_path, head, fields):
    save(tmp_path, a1=cloud(1))
    (tmp_path / "t.csv").write_text(f"path,subject,{head}\na1.npy,p1,{fields}\n")
    with pytest.raises(DataError, match="neither seconds nor a rate"):
        run(tmp_path / "t.csv", tmp_path / "out")


def test_numbers_of_points_are_no_patients_and_no_shapes_are_no_collection(tmp_path):
    clouds = np.stack([cloud(1), cloud(2)])
    np.savez(tmp_path / "a.npz", data=clouds, label=[0, 1], pid=np.zeros((2, 120), dtype=int), none=clouds[:0])
    found, others = collections_in(tmp_path / "a.npz")
    assert [one.key for one in found] == ["data"]
    assert others == ["none", "pid"]
    np.savez(tmp_path / "b.npz", point_clouds=clouds, subjects=["a", "b"])
    with pytest.raises(DataError, match="looks like patients") as caught:
        collections_in(tmp_path / "b.npz")
    assert "call it point_subjects" in caught.value.remedy
