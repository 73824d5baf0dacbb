"""Shapes prepared: collections by their own marks, patients never on both sides, sizes and units said."""

from __future__ import annotations

import csv
import io

import h5py
import numpy as np
import pytest
import torch
from rich.console import Console

pytest.importorskip("trimesh", reason="meshes are read by trimesh")

from data_prep import points_case
from data_prep.points import prepare
from medmae.data.augment.cloud import CloudAugment
from medmae.data.manifest import Manifest
from medmae.data.points.clouds import Clouds
from medmae.data.samples import Samples
from medmae.errors import DataError, ExitCode
from medmae.tokens.points import PointPatches
from tests.shapes import ball, off, ply, segmentation

SMALL = {"points": 64, "patches": 8, "patch_points": 8}


@pytest.fixture(autouse=True)
def here(monkeypatch):
    """The work of the child in this process, which saves the start of another one."""
    monkeypatch.setattr(points_case, "run_in_child", lambda _, task, **__: points_case.store_points(task))


def run(source, out, **options):
    console = Console(record=True, width=200, file=io.StringIO())
    result = prepare(source=source, out=out, console=console, workers=0, **{**SMALL, **options})
    return result, " ".join(console.export_text().split())


def rows_of(out):
    return {row["case"]: row for row in Manifest.read(out)}


def reasons(out):
    with (out / "quarantine.csv").open(newline="") as file:
        return {row["case"]: row["reason"] for row in csv.DictReader(file)}


def balls(folder, names, *, suffix=".off"):
    """Spheres of 5, 6, ... mm under these names."""
    for number, name in enumerate(names):
        off(folder / f"{name}{suffix}", *ball(5.0 + number))
    return folder


def clouds(count=8, points=80, seed=0):
    return np.random.default_rng(seed).normal(size=(count, points, 3)).astype(np.float32)


# ---------------------------------------------------------------------------------------------------- what is written
def test_size_is_kept_in_millimetres_with_patches_that_a_network_would_find(tmp_path):
    source = balls(tmp_path / "raw", ["train/ball/p0_a", "test/ball/p1_a", "train/ball/p2_a"])
    result, said = run(source, tmp_path / "out", unit="cm", subject_from=r"^(p\d)_")
    assert result.exit_code == ExitCode.OK
    assert "size is kept, in millimetres" in said
    row = rows_of(tmp_path / "out")["p0_a"]
    assert (row["size"], row["unit"], row["source_unit"], row["split"]) == ("kept", "mm", "cm", "train")
    assert row["radius"] == pytest.approx(50, rel=0.1)
    assert row["volume_ml"] == pytest.approx(4 / 3 * np.pi * 5**3, rel=0.2)
    samples = Samples(source=tmp_path / "out", view=Clouds(), split="train")
    found = samples[0]
    assert samples.kinds["points"].unit == "mm"
    assert found["points"].norm(dim=0).max() == pytest.approx(row["radius"], rel=1e-4)
    cut = PointPatches.cut(found["points"].T[None], count=8, size=8)
    assert torch.equal(cut.members[0], found["members"])


def test_a_size_that_is_removed_can_be_given_back(tmp_path):
    source = balls(tmp_path / "raw", ["a", "b", "c"])
    _, said = run(source, tmp_path / "out", size="removed")
    assert "size was removed" in said
    row = rows_of(tmp_path / "out")["b"]
    assert (row["size"], row["unit"], row["source_unit"]) == ("removed", "", None)
    samples = Samples(source=tmp_path / "out", view=Clouds(), split=None)
    for number, radius in enumerate((5, 6, 7)):
        points = samples[number]["points"]
        assert points.norm(dim=0).max() == pytest.approx(1)
        row = samples.source.rows[number]
        back = points.T.numpy() * row["radius"] + row["centre"]
        assert np.linalg.norm(back, axis=1).max() == pytest.approx(radius, rel=0.05)
    assert samples.kinds["points"].unit == ""


def test_a_second_run_keeps_what_the_first_made_and_another_seed_samples_anew(tmp_path):
    source = balls(tmp_path / "raw", ["a", "b", "c"])
    assert run(source, tmp_path / "out", unit="mm")[0].prepared == 3
    assert run(source, tmp_path / "out", unit="mm")[0].kept == 3
    before = np.load(tmp_path / "out" / "shards" / "a.npy")
    assert run(source, tmp_path / "out", unit="mm", seed=1)[0].prepared == 3
    assert not np.array_equal(before, np.load(tmp_path / "out" / "shards" / "a.npy"))


# ------------------------------------------------------------------------------------------------------------- units
def test_a_size_without_a_unit_is_asked_for(tmp_path):
    with pytest.raises(DataError, match=r"nothing says in which unit it is.*--unit mm\|cm\|m\|inch.*--size removed"):
        run(balls(tmp_path / "raw", ["a"]), tmp_path / "out")


def test_inches_are_taken_where_a_file_says_so_and_refused_where_the_user_says_otherwise(tmp_path):
    ply(tmp_path / "raw.ply", *ball(1.0), comment="comment units: inches\n")
    run(tmp_path / "raw.ply", tmp_path / "out")
    assert rows_of(tmp_path / "out")["raw"]["radius"] == pytest.approx(25.4, rel=0.1)
    with pytest.raises(DataError, match=r"the file says that its unit is inch.*--unit = 'mm'"):
        run(tmp_path / "raw.ply", tmp_path / "other", unit="mm")


def test_a_radius_that_no_body_has_is_said(tmp_path):
    _, said = run(balls(tmp_path / "raw", ["a", "b"]), tmp_path / "out", unit="m")
    assert "2 of 2 shapes are smaller than 1 mm or larger than 2.5 m: is --unit right?" in said


# ----------------------------------------------------------------------------------------------------- segmentations
def test_labels_become_shapes_of_their_patient(tmp_path):
    mask = np.zeros((20, 20, 20), dtype=int)
    mask[3:9, 3:9, 3:9], mask[12:18, 5:15, 0:8] = 1, 2
    for name in ("p1_a", "p2_a", "p3_a"):
        segmentation(tmp_path / "raw" / f"{name}.nii.gz", np.roll(mask, int(name[1]), axis=1), np.diag([1, 1, 2, 1.0]))
    _, said = run(tmp_path / "raw", tmp_path / "out", subject_from=r"^(p\d)_")
    rows = rows_of(tmp_path / "out")
    assert len(rows) == 6
    assert (rows["p1_a_1"]["subject"], rows["p1_a_1"]["label"], rows["p1_a_2"]["structure"]) == ("p1", "1", "2")
    assert rows["p1_a_1"]["volume_ml"] == pytest.approx(6**3 * 2 / 1000)
    assert rows["p1_a_1"]["split"] == rows["p1_a_2"]["split"]
    assert "touch the border of their volume" in said
    run(tmp_path / "raw", tmp_path / "one", subject_from=r"^(p\d)_", labels="2")
    assert {row["structure"] for row in rows_of(tmp_path / "one").values()} == {"2"}
    with pytest.raises(DataError, match=r"no such label.*it has 1, 2"):
        run(tmp_path / "raw", tmp_path / "none", subject_from=r"^(p\d)_", labels="7")


def test_an_empty_segmentation_costs_nothing_but_itself(tmp_path):
    mask = np.zeros((12, 12, 12), dtype=int)
    segmentation(tmp_path / "raw" / "p2.nii.gz", mask)
    mask[3:9, 3:9, 3:9] = 1
    segmentation(tmp_path / "raw" / "p1.nii.gz", mask)
    result, _ = run(tmp_path / "raw", tmp_path / "out", subject_from=r"^(p\d)")
    assert result.exit_code == ExitCode.SOME_FAILED
    assert reasons(tmp_path / "out") == {"p2": "no voxel of it is labelled"}


# ------------------------------------------------------------------------------------------------------- collections
def test_medmnist_keeps_its_splits_labels_and_needs_to_know_its_voxels(tmp_path):
    places = np.stack(np.meshgrid(*[np.arange(16)] * 3, indexing="ij"), axis=-1)
    masks = (
        np.stack([np.linalg.norm(places - 8, axis=-1) < 3 + n / 4 + (n == 4) for n in range(6)]).astype(np.uint8) * 255
    )
    masks[5], masks[2] = 0, masks[1]
    arrays = {f"{split}_images": masks for split in ("train", "val", "test")}
    arrays |= {f"{split}_labels": np.arange(6)[:, None] % 2 for split in ("train", "val", "test")}
    for number, name in enumerate(("train", "val", "test")):
        arrays[f"{name}_images"] = np.roll(masks, number, axis=1)
    np.savez(tmp_path / "glandmnist3d.npz", **arrays)
    with pytest.raises(DataError, match=r"nothing says how large a voxel is.*--voxel-mm"):
        run(tmp_path / "glandmnist3d.npz", tmp_path / "out")
    result, said = run(tmp_path / "glandmnist3d.npz", tmp_path / "out", voxel_mm=2.0)
    assert (tmp_path / "out" / "summary.csv").read_text().count("copy_of:glandmnist3d") == 3
    rows = rows_of(tmp_path / "out")
    assert result.quarantined == 3  # empty ones
    assert len(rows) == 3 * 5 - 3  # without copies
    row = rows["glandmnist3d_train_images_00001"]
    assert (row["split"], row["label"], row["unit"], row["subject"]) == ("train", "1", "mm", row["case"])
    assert row["radius"] == pytest.approx(2 * 3.25, rel=0.2)
    assert "no patient is known" in said


def test_modelnet_hdf5_keeps_its_splits_and_labels(tmp_path):
    (tmp_path / "raw").mkdir()
    for split, seed in (("train", 0), ("test", 1)):
        with h5py.File(tmp_path / "raw" / f"ply_data_{split}0.h5", "w") as file:
            file["data"], file["label"] = clouds(seed=seed), np.arange(8)[:, None] % 3
            file["faceId"] = np.zeros((8, 80))
    _, said = run(tmp_path / "raw", tmp_path / "out", size="removed")
    rows = rows_of(tmp_path / "out")
    assert {row["split"] for row in rows.values()} == {"train", "val", "test"}
    assert {row["label"] for row in rows.values()} == {"0", "1", "2"}
    assert "faceId are not taken" in said
    assert all(row["split"] == "test" for case, row in rows.items() if "test0" in case)


def test_names_of_classes_in_an_archive_are_its_labels(tmp_path):
    np.savez(tmp_path / "a.npz", points=clouds(6), labels=np.arange(6) % 2, classes=["gland", "chair"])
    run(tmp_path / "a.npz", tmp_path / "out", size="removed")
    assert {row["label"] for row in rows_of(tmp_path / "out").values()} == {"gland", "chair"}


def test_an_archive_without_shapes_or_with_too_few_labels_is_refused(tmp_path):
    np.savez(tmp_path / "a.npz", table=np.zeros((5, 5)))
    with pytest.raises(DataError, match="no array of it holds shapes"):
        run(tmp_path / "a.npz", tmp_path / "out")
    np.savez(tmp_path / "b.npz", data=clouds(6), label=np.arange(5))
    with pytest.raises(DataError, match="not as many labels as shapes"):
        run(tmp_path / "b.npz", tmp_path / "out")


def test_modelnet_folders_are_classes_with_their_splits(tmp_path):
    names = [
        f"{label}/{split}/{label}_{n:04d}" for label in ("chair", "bed") for split, n in (("train", 1), ("test", 2))
    ]
    _, said = run(balls(tmp_path / "raw", names), tmp_path / "out", size="removed")
    assert "read as modelnet" in said
    found = {case: (row["label"], row["split"]) for case, row in rows_of(tmp_path / "out").items()}
    assert found["chair_0002"] == ("chair", "test")
    assert found["bed_0001"][0] == "bed"


def test_shapenet55_is_split_by_its_lists(tmp_path):
    folder = tmp_path / "shapenet_pc"
    folder.mkdir()
    names = [f"0269115{n % 2}-{n:08x}" for n in range(6)]
    for n, name in enumerate(names):
        np.save(folder / f"{name}.npy", clouds(1, seed=n)[0])
    (tmp_path / "ShapeNet-55").mkdir()
    for split, some in (("train", names[:4]), ("test", names[4:])):
        (tmp_path / "ShapeNet-55" / f"{split}.txt").write_text("".join(f"{name}.npy\n" for name in some))
    _, said = run(folder, tmp_path / "out", size="removed")
    assert "read as shapenet" in said
    rows = rows_of(tmp_path / "out")
    assert [rows[name]["split"] for name in names[4:]] == ["test", "test"]
    assert {row["label"] for row in rows.values()} == {"02691150", "02691151"}


def test_medshapenet_names_tell_who_and_which_organ(tmp_path):
    import trimesh

    (tmp_path / "raw").mkdir()
    for n, name in enumerate(("s0001_liver", "s0001_spleen", "s0002_liver", "s0003_kidney_left")):
        trimesh.Trimesh(*ball(10.0 + n)).export(tmp_path / "raw" / f"{name}.stl")
    run(tmp_path / "raw", tmp_path / "out", unit="mm")
    rows = rows_of(tmp_path / "out")
    assert {case: (row["subject"], row["label"]) for case, row in rows.items()}["s0003_kidney_left"] == (
        "s0003",
        "kidney_left",
    )
    assert rows["s0001_liver"]["split"] == rows["s0001_spleen"]["split"]


def test_a_table_names_classes_patients_and_splits(tmp_path):
    balls(tmp_path / "raw", ["a", "b", "c"])
    lines = ["path,label,subject,split", "a.off,big,p1,train", "b.off,small,p2,val", "c.off,big,p3,test"]
    (tmp_path / "raw" / "table.csv").write_text("\n".join(lines) + "\n")
    run(tmp_path / "raw" / "table.csv", tmp_path / "out", unit="mm")
    assert {(row["label"], row["subject"], row["split"]) for row in rows_of(tmp_path / "out").values()} == {
        ("big", "p1", "train"),
        ("small", "p2", "val"),
        ("big", "p3", "test"),
    }


# ---------------------------------------------------------------------------------------------------------- odd files
def test_odd_shapes_are_quarantined_and_the_others_go_on(tmp_path):
    folder = balls(tmp_path / "raw", ["good", "other", "third"])
    np.save(folder / "twelve.npy", clouds(1, 12)[0])
    np.save(folder / "flat.npy", np.zeros((50, 2)))
    (folder / "empty.off").write_text("")
    (folder / "cut.ply").write_bytes(b"ply\nformat binary_little_endian 1.0\nelement vertex 9\n")
    (folder / "notes.docx").write_bytes(b"x")
    result, _ = run(folder, tmp_path / "out", unit="mm")
    assert result.exit_code == ExitCode.SOME_FAILED
    assert set(rows_of(tmp_path / "out")) == {"good", "other", "third"}
    found = reasons(tmp_path / "out")
    assert "12 different points" in found["twelve"]
    assert "this is no cloud" in found["flat"]
    assert set(found) == {"twelve", "flat", "empty", "cut"}
    assert (tmp_path / "out" / "left_out.csv").read_text().count("notes.docx") == 1


def test_one_shape_of_two_patients_is_refused(tmp_path):
    off(tmp_path / "raw" / "p1_a.off", *ball())
    off(tmp_path / "raw" / "p2_a.off", *ball())
    with pytest.raises(DataError, match="hold the same content under different subjects"):
        run(tmp_path / "raw", tmp_path / "out", unit="mm", subject_from=r"^(p\d)_")


def test_options_that_fit_nothing_are_refused(tmp_path):
    source = balls(tmp_path / "raw", ["a"])
    for wrong in ({"patches": 100}, {"points": 8}, {"voxel_mm": -1.0}, {"unit": "ell"}, {"size": "some"}):
        with pytest.raises(ValueError, match="must"):
            run(source, tmp_path / "out", **wrong)


# -------------------------------------------------------------------------------------------------------------- view
@pytest.fixture
def prepared(tmp_path):
    run(balls(tmp_path / "raw", ["a", "b", "c"]), tmp_path / "out", unit="mm")
    return tmp_path / "out"


def test_turned_clouds_keep_their_patches_and_their_size(prepared):
    plain = Samples(source=prepared, view=Clouds())
    turned = Samples(source=prepared, view=Clouds(augment=CloudAugment(turn=30, mirror=True)))
    one, other = plain[0]["points"], turned[0]["points"]
    assert not torch.allclose(one, other)
    assert torch.allclose(one.norm(dim=0), other.norm(dim=0), atol=1e-4)
    cut = PointPatches.cut(other.T[None], count=8, size=8)
    assert (cut.members[0].sort().values == turned[0]["members"].sort().values).float().mean() > 0.95
    assert torch.equal(turned[0]["points"], other)  # a function of seed, epoch and index
    turned.set_epoch(1)
    assert not torch.equal(turned[0]["points"], other)


def test_points_stay_in_the_order_in_which_their_centres_were_found(prepared):
    samples = Samples(source=prepared, view=Clouds())
    first = samples[0]
    samples.set_epoch(1)
    again = samples[0]
    assert torch.equal(again["points"], first["points"])
    assert torch.equal(again["members"], first["members"])


def test_a_view_of_patches_refuses_shapes_without(tmp_path, prepared):
    run(balls(tmp_path / "raw", ["a", "b", "c"]), tmp_path / "none", unit="mm", patches=0)
    assert "members" not in Samples(source=tmp_path / "none", view=Clouds(patches=False))[0]
    with pytest.raises(DataError, match="prepared without patches"):
        Samples(source=tmp_path / "none", view=Clouds())


def test_a_shard_with_other_shapes_than_its_row_says_is_refused(prepared):
    samples = Samples(source=prepared, view=Clouds(), split=None)
    samples.source.rows[0]["place"] = 5
    with pytest.raises(DataError, match=r"other shapes than its row says.*prepare the data again"):
        samples[0]
