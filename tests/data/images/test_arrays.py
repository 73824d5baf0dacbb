"""Images in npz and IDX files."""

from __future__ import annotations

import gzip

import numpy as np
import pytest

from medmae.data.images.arrays import read_idx, read_npz
from medmae.errors import DataError


def grey(count, *, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, 6, 5), dtype=np.uint8)


def idx(path, array):
    head = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, dtype=">u4").tobytes()
    (gzip.open if path.suffix == ".gz" else open)(path, "wb").write(head + array.tobytes())


def test_medmnist_s_splits_and_columns_of_labels_are_kept(tmp_path):
    parts = {"train": grey(3), "val": grey(2, seed=1), "test": grey(1, seed=2)}
    arrays = {f"{name}_images": images for name, images in parts.items()}
    arrays |= {f"{name}_labels": np.arange(len(images))[:, None].astype(np.uint8) for name, images in parts.items()}
    np.savez(tmp_path / "set.npz", **arrays)
    table = read_npz(tmp_path / "set.npz")
    assert table.splits == ["train"] * 3 + ["val"] * 2 + ["test"]
    assert table.labels == ["0", "1", "2", "0", "1", "0"]
    assert table.patients is None
    assert np.array_equal(table.read(4)[..., 0], parts["val"][1])


def test_numbers_of_classes_sort_as_numbers(tmp_path):
    np.savez(tmp_path / "set.npz", images=grey(12), labels=np.arange(12))
    labels = read_npz(tmp_path / "set.npz").labels
    assert sorted(labels) == labels


def test_classes_and_patients_have_their_names(tmp_path):
    arrays = {"images": grey(3), "labels": np.array([1, 0, 1]), "classes": np.array(["cat", "dog"])}
    np.savez(tmp_path / "set.npz", **arrays, subjects=np.array(["p2", "p1", "p2"]))
    table = read_npz(tmp_path / "set.npz")
    assert table.labels == ["dog", "cat", "dog"]
    assert table.subjects() == ("p1", "p2")


@pytest.mark.parametrize(
    ("arrays", "field"),
    [
        ({"pictures": grey(2)}, "keys"),
        ({"images": np.zeros((2, 28, 28, 28), np.uint8)}, "images"),
        ({"images": np.zeros((2, 0, 8), np.uint8)}, "images"),
        ({"images": grey(2).astype(np.int32)}, "images"),
        ({"images": np.full((2, 4, 4), 1.5)}, "images"),
        ({"images": grey(2), "labels": np.zeros((2, 14), np.uint8)}, "labels"),
        ({"images": grey(2), "labels": np.array([0, 2]), "classes": np.array(["a", "b"])}, "labels"),
        ({"images": grey(2), "labels": np.array([0])}, "label"),
    ],
)
def test_an_npz_of_other_things_is_refused_by_field(tmp_path, arrays, field):
    np.savez(tmp_path / "set.npz", **arrays)
    with pytest.raises(DataError) as caught:
        read_npz(tmp_path / "set.npz")
    assert caught.value.field == field


@pytest.mark.parametrize("field", ["images", "labels", "patients", "classes"])
def test_a_single_value_in_place_of_an_array_is_refused(tmp_path, field):
    fine = {"images": np.zeros((2, 4, 4), np.uint8), "labels": np.array([0, 1]), "patients": np.array(["a", "b"])}
    np.savez(tmp_path / "a.npz", **{**fine, field: np.array(3)})
    with pytest.raises(DataError, match=rf"a\.npz: {field} are an array.*\[{field} = 3\]"):
        read_npz(tmp_path / "a.npz")


def test_objects_in_an_npz_are_never_unpickled(tmp_path):
    np.savez(tmp_path / "set.npz", images=np.array([{"a": 1}], dtype=object))
    with pytest.raises(DataError, match="cannot be read"):
        read_npz(tmp_path / "set.npz")


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_mnist_s_files_give_train_and_test(tmp_path, suffix):
    idx(tmp_path / f"train-images-idx3-ubyte{suffix}", grey(4))
    idx(tmp_path / f"train-labels-idx1-ubyte{suffix}", np.array([3, 1, 2, 0], dtype=np.uint8))
    idx(tmp_path / f"t10k-images-idx3-ubyte{suffix}", grey(2, seed=1))
    table = read_idx(tmp_path)
    assert table.splits == ["test"] * 2 + ["train"] * 4  # files come in the order of their names
    assert table.labels == [None, None, "3", "1", "2", "0"]
    assert np.array_equal(table.read(2)[..., 0], grey(4)[0])


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_an_idx_file_that_claims_more_than_it_holds_is_refused_without_allocating_it(tmp_path, suffix):
    head = bytes([0, 0, 8, 3]) + np.array([2**31, 2**15, 2**15], dtype=">u4").tobytes()
    path = tmp_path / f"train-images-idx3-ubyte{suffix}"
    (gzip.open if suffix else open)(path, "wb").write(head + b"abc")
    with pytest.raises(DataError, match="ends early"):
        read_idx(tmp_path)


def test_a_class_has_one_name_in_all_splits(tmp_path):
    arrays = {"train_images": grey(12), "train_labels": np.arange(12), "test_images": grey(6)}
    np.savez(tmp_path / "set.npz", **arrays, test_labels=np.arange(6))
    table = read_npz(tmp_path / "set.npz")
    assert len(set(table.labels)) == 12
    assert table.labels[:6] == table.labels[12:]


def test_an_empty_split_is_none(tmp_path):
    arrays = {"train_images": grey(2), "train_labels": np.arange(2), "train_patients": np.array(["a", "b"])}
    np.savez(tmp_path / "set.npz", **arrays, val_images=grey(0), val_labels=np.empty((0, 1), np.uint8))
    table = read_npz(tmp_path / "set.npz")
    assert (table.splits, table.labels, table.patients) == (["train"] * 2, ["0", "1"], ["a", "b"])


def test_patients_in_some_splits_only_are_refused(tmp_path):
    arrays = {"train_images": grey(2), "train_patients": np.array(["a", "b"]), "test_images": grey(1)}
    np.savez(tmp_path / "set.npz", **arrays)
    with pytest.raises(DataError, match="images of test have no patient, others have one"):
        read_npz(tmp_path / "set.npz")


def test_labels_that_only_sum_up_to_the_images_are_refused(tmp_path):
    arrays = {"train_images": grey(2), "train_labels": np.arange(3), "test_images": grey(2), "test_labels": [0]}
    np.savez(tmp_path / "set.npz", **arrays)
    with pytest.raises(DataError, match="2 images of train have 3 entries of label"):
        read_npz(tmp_path / "set.npz")


@pytest.mark.parametrize("prefix", ["emnist-letters-", "qmnist-"])
def test_the_last_word_of_an_idx_file_names_its_split(tmp_path, prefix):
    for split, count in (("train", 3), ("test", 2)):
        idx(tmp_path / f"{prefix}{split}-images-idx3-ubyte", grey(count))
        idx(tmp_path / f"{prefix}{split}-labels-idx1-ubyte", np.arange(count, dtype=np.uint8))
    table = read_idx(tmp_path)
    assert table.splits == ["test"] * 2 + ["train"] * 3
    assert table.labels == ["0", "1", "0", "1", "2"]


def test_of_qmnist_s_columns_the_first_is_the_class(tmp_path):
    idx(tmp_path / "qmnist-train-images-idx3-ubyte", grey(2))
    columns = np.array([[7, 1, 99], [3, 1, 98]], dtype=">i4")
    head = bytes([0, 0, 0x0C, 2]) + np.array(columns.shape, dtype=">u4").tobytes()
    (tmp_path / "qmnist-train-labels-idx2-int").write_bytes(head + columns.tobytes())
    assert read_idx(tmp_path).labels == ["7", "3"]


@pytest.mark.parametrize("other", ["emnist-letters-train", "emnist-letters"])
def test_idx_files_whose_split_cannot_be_told_are_refused(tmp_path, other):
    for name in ("emnist-digits-train", other):
        idx(tmp_path / f"{name}-images-idx3-ubyte", grey(2))
    with pytest.raises(DataError, match=f"which IDX file is which split.*{other}-images"):
        read_idx(tmp_path)


def test_an_idx_file_beside_its_archive_is_read_once(tmp_path):
    for suffix in ("", ".gz"):
        idx(tmp_path / f"train-images-idx3-ubyte{suffix}", grey(2))
        idx(tmp_path / f"train-labels-idx1-ubyte{suffix}", np.arange(2, dtype=np.uint8))
    table = read_idx(tmp_path)
    assert (table.splits, table.labels) == (["train"] * 2, ["0", "1"])
