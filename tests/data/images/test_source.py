"""Images from folders, tables, DICOM and prepared data, as one table."""

from __future__ import annotations

import csv
import warnings

import numpy as np
import pytest
from PIL import Image

from medmae.data.images.source import read_images
from medmae.errors import DataError


def save(path, *, size=(8, 6), value=100, mode="L"):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, value).save(path)
    return path


def test_class_folders_give_labels_and_folders_of_splits_give_splits(tmp_path):
    for split in ("train", "test"):
        for label in ("a", "b"):
            save(tmp_path / split / label / "1.png")
    table = read_images(tmp_path)
    assert table.labels == ["a", "b", "a", "b"]
    assert table.splits == ["test", "test", "train", "train"]


def test_images_that_lie_deeper_are_left_out_with_a_warning(tmp_path):
    save(tmp_path / "a" / "1.png"), save(tmp_path / "a" / "more" / "2.png")
    with pytest.warns(UserWarning, match=r"1 file left out, an image that lies elsewhere .*, such as more/2\.png"):
        table = read_images(tmp_path)
    assert table.names == ["a/1.png"]


def test_a_table_names_patients_in_either_column(tmp_path):
    for name in ("1", "2"):
        save(tmp_path / f"{name}.png")
    for column in ("patient", "subject"):
        with (tmp_path / "images.csv").open("w", newline="") as file:
            csv.writer(file).writerows([["path", column, "label"], ["1.png", "p1", "x"], ["2.png", "p2", "y"]])
        table = read_images(tmp_path / "images.csv")
        assert (table.patients, table.labels) == (["p1", "p2"], ["x", "y"])


def test_a_pattern_finds_patients_in_names_and_must_find_one_in_each(tmp_path):
    save(tmp_path / "p1_0.png"), save(tmp_path / "p2_0.png")
    assert read_images(tmp_path, subject_from=r"^(p\d)_").patients == ["p1", "p2"]
    save(tmp_path / "other.png")
    with pytest.raises(DataError, match="matches nothing"):
        read_images(tmp_path, subject_from=r"^(p\d)_")
    with pytest.raises(ValueError, match="no regular expression"):
        read_images(tmp_path, subject_from="(")


def test_sixteen_bits_of_grey_are_scaled_from_least_to_greatest(tmp_path):
    Image.fromarray(np.array([[100, 200], [300, 500]], dtype=np.uint16)).save(tmp_path / "x.png")
    image = read_images(tmp_path).read(0)
    assert image.dtype == np.float32
    assert np.allclose(image[..., 0], [[0, 0.25], [0.5, 1]])


def test_dicom_images_are_windowed_and_monochrome1_is_inverted(tmp_path):
    itk = pytest.importorskip("SimpleITK", reason="DICOM needs SimpleITK, of the prep extra")
    values = np.array([[0, 50], [100, 200]], dtype=np.int16)
    image = itk.GetImageFromArray(values[None])
    for tag, text in (("0028|1050", "100"), ("0028|1051", "200")):
        image.SetMetaData(tag, text)
    itk.WriteImage(image, tmp_path / "a.dcm")
    inverse = (tmp_path / "a.dcm").read_bytes().replace(b"MONOCHROME2", b"MONOCHROME1")
    (tmp_path / "b.dcm").write_bytes(inverse)
    table = read_images(tmp_path)
    assert np.allclose(table.read(0)[..., 0], values / 200, atol=1e-6)
    assert np.allclose(table.read(1)[..., 0], 1 - values / 200, atol=1e-6)  # from its greatest to its least value
    assert table.patients is None


def test_a_damaged_image_is_named_when_it_is_read_not_before(tmp_path):
    save(tmp_path / "good.png")
    (tmp_path / "bad.png").write_bytes(b"no image")
    table = read_images(tmp_path)
    assert table.read(1).shape == (6, 8, 1)
    with pytest.raises(DataError) as caught:
        table.read(0)
    assert str(caught.value.path).endswith("bad.png")


def test_the_hash_tells_other_images_labels_and_patients_apart(tmp_path):
    save(tmp_path / "p1.png"), save(tmp_path / "p2.png")
    first = read_images(tmp_path).sha256
    assert read_images(tmp_path).sha256 == first
    assert read_images(tmp_path, subject_from=".*").sha256 != first
    save(tmp_path / "p2.png", size=(30, 30))
    assert read_images(tmp_path).sha256 != first


def test_what_prep_wrote_is_read_with_its_splits_patients_and_labels(tmp_path):
    from data_prep.tiles import prepare

    for patient in range(3):
        save(tmp_path / "raw" / "a" / f"p{patient}_0.png", mode="RGB", value=(patient, 20, 30))
    prepare(source=tmp_path / "raw", out=tmp_path / "out", subject_from=r"^(p\d)_", workers=0)
    table = read_images(tmp_path / "out")
    assert sorted(table.patients) == ["p0", "p1", "p2"]
    assert sorted(table.splits) == ["test", "train", "val"]
    assert set(table.labels) == {"a"}
    assert table.read(1).tolist()[0][0] == [int(table.patients[1][1]), 20, 30]


def test_an_image_of_one_value_is_told_when_it_is_read(tmp_path):
    import numpy as np
    from PIL import Image

    for name, value in (("a", 7), ("b", [[1, 2], [3, 4]])):
        (tmp_path / "x").mkdir(exist_ok=True)
        Image.fromarray(np.full((2, 2), value, dtype=np.uint8)).save(tmp_path / "x" / f"{name}.png")
    table = read_images(tmp_path)
    with pytest.warns(UserWarning, match=r"a\.png: all pixels have one value"):
        table.read(0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        table.read(1)
