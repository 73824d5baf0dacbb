from __future__ import annotations

from collections import Counter

import pytest

from medmae.data import splits
from medmae.errors import DataError


@pytest.mark.parametrize(
    ("n", "counts"),
    [
        (0, {}),
        (1, {"train": 1}),
        (2, {"train": 1, "test": 1}),
        (3, {"train": 1, "val": 1, "test": 1}),
        (10, {"train": 7, "val": 1, "test": 2}),
    ],
)
def test_counts_are_whole_subjects(n, counts):
    assert Counter(splits.split_by_subject([f"s{i}" for i in range(n)]).values()) == Counter(counts)


@pytest.mark.parametrize("n", range(1, 40))
def test_training_always_has_someone(n):
    for fractions in ((0.7, 0.1, 0.2), (0.1, 0.45, 0.45), (0.0, 0.5, 0.5)):
        assert "train" in splits.split_by_subject([str(i) for i in range(n)], fractions=fractions).values()


def test_a_split_depends_on_the_seed_and_not_on_order_or_repeats():
    names = [f"s{i}" for i in range(20)]
    first = splits.split_by_subject(names, seed=1)
    assert first == splits.split_by_subject([*reversed(names), *names], seed=1)
    assert first != splits.split_by_subject(names, seed=2)


def test_a_fraction_of_zero_keeps_its_split_empty():
    found = splits.split_by_subject([str(i) for i in range(9)], fractions=(0.8, 0.0, 0.2))
    assert set(found.values()) == {"train", "test"}


@pytest.mark.parametrize("fractions", [(0.5, 0.1, 0.1), (1.2, -0.1, -0.1), (1.0,)])
def test_shares_that_do_not_add_up_are_refused(fractions):
    with pytest.raises(ValueError, match="add up to 1"):
        splits.split_by_subject(["a"], fractions=fractions)


def test_a_written_split_is_read_back(tmp_path):
    split = {"b": "test", "a": "train"}
    splits.write(tmp_path / "splits.csv", split)
    assert splits.read(tmp_path / "splits.csv") == split
    assert (tmp_path / "splits.csv").read_text().splitlines() == ["subject,split", "a,train", "b,test"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("subject,split\na,train\na,test\n", r"line 3: subject 'a' is in train and in test"),
        ("subject,split\na,training\n", r"line 2: subject 'a' has split 'training'"),
        ("id,fold\na,1\n", r"lacks columns"),
    ],
)
def test_a_bad_split_file_is_refused_with_the_line(tmp_path, text, message):
    path = tmp_path / "splits.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=message):
        splits.read(path)


def test_every_overlap_is_listed():
    pairs = [("a", "train"), ("a", "test"), ("b", "train"), ("c", "val"), ("c", "train")]
    with pytest.raises(DataError, match=r"a \(test, train\); c \(train, val\)"):
        splits.check_disjoint(pairs)
    splits.check_disjoint([("a", "train"), ("a", "train"), ("b", "test")])


@pytest.mark.parametrize("twins", [("p1", "P1"), ("7", "7.0"), ("M\u00fcller", "Mueller")])
def test_one_subject_in_two_spellings_is_in_one_split(twins, tmp_path):
    path = tmp_path / "splits.csv"
    path.write_text(f"subject,split\n{twins[0]},train\nx,test\n{twins[1]},train\n", encoding="utf-8")
    assert len(splits.read(path)) == 3  # they may be images of those names
    path.write_text(f"subject,split\n{twins[0]},train\nx,test\n{twins[1]},test\n", encoding="utf-8")
    with pytest.raises(DataError, match="names differ only in"):
        splits.read(path)
