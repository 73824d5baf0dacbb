"""Several labels of an image, and numbers: from tables and arrays, and only if somebody says so."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from medmae.data import Pictures, Samples
from medmae.data.images.source import read_images
from medmae.errors import DataError


@pytest.fixture
def table(tmp_path):
    """A CSV of three images; ``write({"age": ["60", "61.5", ""]})``."""

    def write(columns):
        for number in range(3):
            Image.new("L", (8, 8), 50 * number).save(tmp_path / f"{number}.png")
        lines = [",".join(["path", *columns])]
        lines += [",".join([f"{number}.png", *(column[number] for column in columns.values())]) for number in range(3)]
        (tmp_path / "images.csv").write_text("\n".join(lines) + "\n")
        return tmp_path / "images.csv"

    return write


def samples(table):
    return Samples(source=table, view=Pictures(size=8, channels=1), split=None)


def test_several_labels_of_a_table_are_zeros_and_ones_and_an_empty_one_is_unknown(table):
    path = table({"Edema": ["0", "1", ""], "nodule": ["1", "1", "0"]})
    data = samples(read_images(path, task="multi_label", labels=["Edema", "nodule"]))
    assert (data.task, data.classes) == ("multi_label", ("edema", "nodule"))
    np.testing.assert_array_equal(data.labels, [[0, 1], [1, 1], [np.nan, 0]])
    assert data[1]["label"].tolist() == [1, 1]
    assert data.describe(0).label is None


def test_numbers_of_a_table_are_labels_of_regression(table):
    data = samples(read_images(table({"ef": ["60", "41.5", ""]}), task="regression", labels="ef"))
    assert data.task == "regression"
    np.testing.assert_array_equal(data.labels, [[60], [41.5], [np.nan]])


def test_another_column_may_hold_the_class(table):
    path = table({"label": ["a", "b", "a"], "site": ["x", "y", "y"]})
    assert read_images(path, labels="site").labels == ["x", "y", "y"]
    assert read_images(path).labels == ["a", "b", "a"]


@pytest.mark.parametrize(
    ("columns", "options", "match"),
    [
        ({"label": ["60.1", "41.5", ""]}, {}, "each would be a class of its own.*task='regression'"),
        ({"ef": ["60", "high", ""]}, {"task": "regression", "labels": "ef"}, "a label is no number.*high"),
        ({"ef": ["60", "inf", ""]}, {"task": "regression", "labels": "ef"}, "regression labels are finite numbers"),
        ({"a": ["0", "2", ""]}, {"task": "multi_label", "labels": ["a"]}, "multi_label labels are 0 or 1"),
        ({"a": ["0", "1", ""]}, {"task": "multi_label", "labels": ["b"]}, "no such column.*choose among a, path"),
        ({"a": ["0", "1", ""]}, {"labels": "b"}, "no image has a label"),
    ],
)
def test_labels_that_are_not_what_was_said_are_refused(table, columns, options, match):
    with pytest.raises(DataError, match=match):
        read_images(table(columns), **options)


def test_whole_numbers_are_still_names_of_classes(table):
    assert read_images(table({"label": ["0", "1", "1"]})).labels == ["0", "1", "1"]


def test_several_labels_of_arrays_are_refused_unless_somebody_says_so(tmp_path):
    images, labels = np.zeros((4, 8, 8), dtype=np.uint8), np.eye(4, 3, dtype=np.uint8)
    np.savez(tmp_path / "x.npz", train_images=images, train_labels=labels, test_images=images)
    with pytest.raises(DataError, match=r"an image has one class.*task='multi_label'"):
        read_images(tmp_path / "x.npz")
    data = samples(read_images(tmp_path / "x.npz", task="multi_label"))
    assert data.classes == ("0", "1", "2")
    np.testing.assert_array_equal(data.labels[:4], labels)
    assert np.isnan(data.labels[4:]).all()
    np.savez(tmp_path / "y.npz", images=images, age=np.array([1.5, 2, 3, np.nan]))
    assert samples(read_images(tmp_path / "y.npz", task="regression", labels="age")).classes == ("age",)
    with pytest.raises(DataError, match="there are no labels"):
        read_images(tmp_path / "y.npz", task="regression")


def test_a_folder_has_no_labels_by_name_and_tasks_are_known_words(tmp_path):
    with pytest.raises(DataError, match="only a CSV or an npz has labels by name"):
        read_images(tmp_path, task="multi_label", labels=["a"])
    with pytest.raises(ValueError, match="task must be 'single_label' or 'multi_label' or 'regression', got 'multi'"):
        read_images(tmp_path, task="multi")
    (tmp_path / "x.csv").write_text("path,a,b\n0.png,1,0\n")
    with pytest.raises(ValueError, match="an image has one class, in one column"):
        read_images(tmp_path / "x.csv", labels=["a", "b"])
