"""Folders and names of images that say something else than a class: splits, patients, masks, another spelling."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from medmae.data.identity.class_folders import patients_as_classes
from medmae.data.identity.given import Given
from medmae.data.images.folders import find_images, with_patients
from medmae.data.images.source import read_images
from medmae.errors import DataError


def images(root, *names):
    for seed, name in enumerate(names):
        path = root / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.random.default_rng(seed).integers(0, 256, (8, 8), dtype=np.uint8)).save(path)
    return root


@pytest.mark.parametrize(
    "names",
    [
        ("Normal/a", "normal/b", "tumour/c"),
        ("train/Normal/a", "train/tumour/b", "test/normal/c", "test/tumour/d"),
        ("normal /a", "normal/b"),
        ("basal-cell/a", "basal_cell/b"),
        ("caf\u00e9/a", "cafe\u0301/b"),
    ],
)
def test_one_class_in_two_spellings_is_refused(names, tmp_path):
    with pytest.raises(DataError, match="names of classes differ only in case, blanks or - and _"):
        read_images(images(tmp_path, *names))


@pytest.mark.parametrize("column", ["label", "grade"])
def test_one_class_of_a_table_in_two_spellings_is_refused(column, tmp_path):
    images(tmp_path, "a", "b", "c")
    (tmp_path / "t.csv").write_text(f"path,{column}\na.png,Benign\nb.png,benign\nc.png,x\n")
    with pytest.raises(DataError, match="'Benign' = 'benign'"):
        read_images(tmp_path / "t.csv", labels=column)


def test_signs_make_other_classes(tmp_path):
    table = read_images(images(tmp_path, "HER2+/a", "HER2-/b", "C1/c", "C 2/d"))
    assert set(table.labels) == {"HER2+", "HER2-", "C1", "C 2"}


@pytest.mark.parametrize(
    "folders",
    [("train_images", "test_images"), ("fold1", "fold2"), ("Train Data", "Validation-Set"), ("split_0", "split_1")],
)
def test_folders_that_are_called_as_splits_are_no_classes(folders, tmp_path):
    images(tmp_path, *(f"{folder}/{name}" for folder in folders for name in "ab"))
    with pytest.raises(DataError, match="folders are called as splits, and stand where classes do"):
        find_images(tmp_path)


def test_one_class_may_be_called_as_a_split(tmp_path):
    assert {file.label for file in find_images(images(tmp_path, "foldX/a", "test_tube/b", "training/c/d"))[0]} == {"c"}
    other = images(tmp_path / "other", "foldX/a", "test-set/b")
    assert {file.label for file in find_images(other)[0]} == {"foldX", "test-set"}


def test_masks_beside_their_images_are_left_out_and_told(tmp_path):
    names = (
        "benign/b (1)",
        "benign/b (1)_mask",
        "benign/b (1)_mask_1",
        "benign/b (2)",
        "malignant/m_seg",
        "malignant/m",
    )
    files, left = find_images(images(tmp_path, *names, "malignant/with_mask"))
    assert [file.name for file in files] == [
        "benign/b (1).png", "benign/b (2).png", "malignant/m.png", "malignant/with_mask.png",
    ]  # fmt: skip
    assert {(one.path.stem, one.why) for one in left} == {
        (name, "a mask of the image beside it, by its name") for name in ("b (1)_mask", "b (1)_mask_1", "m_seg")
    }


def test_a_folder_of_masks_of_the_images_of_its_sister_is_no_class(tmp_path):
    files, left = find_images(images(tmp_path, "images/a", "images/b", "masks/a"))
    assert ([file.label for file in files], [one.path.parent.name for one in left]) == (["images", "images"], ["masks"])
    other = images(tmp_path / "faces", "no mask/a", "masks/b")  # people with and without
    assert {file.label for file in find_images(other)[0]} == {"no mask", "masks"}


def test_folders_called_as_patients_are_a_doubt_that_a_pattern_ends(tmp_path):
    images(tmp_path, "P001/a", "P001/b", "P002/a", "P002/b")
    files, _ = find_images(tmp_path)
    with pytest.raises(DataError, match="2 subjects, one a folder, or 4 subjects, one an image") as caught:
        with_patients(files, tmp_path)
    assert r"--subject-from '([^/]+)/[^/]+$' for 2 subjects" in caught.value.remedy
    with pytest.warns(UserWarning, match="folders of classes are called as patients are"):
        read_images(tmp_path)
    given = Given(subject_from=r"([^/]+)/[^/]+$", by_name=True)
    assert [file.patient for file in with_patients(files, tmp_path, given=given)] == ["P001", "P001", "P002", "P002"]
    given = Given(subject_from=r"^(.+/.+)$", by_name=True)
    assert len({file.patient for file in with_patients(files, tmp_path, given=given)}) == 4


@pytest.mark.parametrize(
    ("folders", "doubts"),
    [
        (("tumour", "normal"), 0),
        (("P001", "normal"), 0),
        (("P001",), 0),
        (("P001", "patient_2"), 1),
        (("sub-1", "sub-2"), 1),
    ],
)
def test_only_several_folders_that_are_all_called_as_patients_are_a_doubt(folders, doubts):
    assert len(patients_as_classes(folders, 9)) == doubts


def test_a_path_that_is_written_in_two_ways_stands_twice_in_a_table(tmp_path):
    images(tmp_path, "a", "sub/b")
    (tmp_path / "t.csv").write_text("path,label\na.png,x\n./sub/../a.png,x\nsub/b.png,y\n")
    with pytest.raises(DataError, match="1 images stand twice in the table: a"):
        read_images(tmp_path / "t.csv")
