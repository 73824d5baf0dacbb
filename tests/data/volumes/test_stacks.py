from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.utils.data import default_collate

from medmae.data import Crops, Samples, Slices, Stacks
from medmae.errors import DataError

SOME = {"a": ("T1", "T2"), "b": ("FLAIR", "T1", "T2"), "c": ("T2",)}
ALL_TRAIN = dict.fromkeys(SOME, "train")


def test_contrasts_are_channels_and_one_that_a_case_lacks_is_zero_and_said_to_be_missing(prepared):
    path = prepared(ALL_TRAIN, contrasts=SOME)
    data = Samples(source=path, view=Stacks(cut=Slices(size=None)))
    assert data.kinds["image"].channels == ("FLAIR", "T1", "T2")
    assert len(data) == 2 * 5  # c has one contrast only
    item = data[0]
    shard = np.load(path.parent / "shards" / "a.npy")
    assert item["available"].tolist() == [False, True, True]
    assert item["available"].dtype == torch.bool
    assert (item["image"][0] == 0).all()
    np.testing.assert_array_equal(item["image"][1:].numpy(), shard[1])
    assert data[5]["available"].all()
    assert data.describe(2) == {"case": "a", "subject": "a", "contrasts": "T1, T2", "slice": 3}


def test_channels_come_in_the_order_asked_for_and_fitted(prepared):
    path = prepared(ALL_TRAIN, contrasts=SOME)
    item = Samples(source=path, view=Stacks(cut=Slices(size=20), contrasts=["T2", "FLAIR"]))[0]
    shard = np.load(path.parent / "shards" / "b.npy")
    assert item["image"].shape == (2, 20, 20)
    np.testing.assert_array_equal(item["image"][:, :, 2:-2].numpy(), shard[1][[2, 0]])


def test_how_many_contrasts_a_case_must_have_is_an_option(prepared):
    path = prepared(ALL_TRAIN, contrasts=SOME)
    cases = {
        least: {data.describe(index)["case"] for index in range(len(data))}
        for least in (1, 2, 3)
        for data in [Samples(source=path, view=Stacks(cut=Slices(), at_least=least))]
    }
    assert cases == {1: {"a", "b", "c"}, 2: {"a", "b"}, 3: {"b"}}


def test_a_constant_contrast_counts_as_missing(prepared):
    path = prepared({"b": "train"}, contrasts=SOME)
    path.write_text(path.read_text().replace('"flags": []', '"flags": ["constant"]', 1))
    item = Samples(source=path, view=Stacks(cut=Slices(size=None)))[0]
    assert item["available"].tolist() == [False, True, True]
    assert (item["image"][0] == 0).all()


def test_items_of_different_cases_make_a_batch(prepared):
    data = Samples(source=prepared(ALL_TRAIN, contrasts=SOME), view=Stacks(cut=Slices(size=16)))
    batch = default_collate([data[0], data[9]])
    assert batch["image"].shape == (2, 3, 16, 16)
    assert batch["available"].tolist() == [[False, True, True], [True, True, True]]


def test_a_fraction_keeps_whole_subjects(prepared):
    path = prepared({f"p{number}": "train" for number in range(10)})
    data = Samples(source=path, view=Stacks(cut=Slices()), fraction=0.3)
    assert {data.describe(index)["subject"] for index in range(len(data))} == {"p0", "p1", "p2"}


def test_too_little_is_refused(prepared):
    path = prepared({"a": "train", "c": "test"}, contrasts=SOME)
    with pytest.raises(DataError, match="no contrast PD in this data set"):
        Samples(source=path, view=Stacks(cut=Slices(), contrasts=["T1", "PD"]))
    with pytest.raises(DataError, match=r"a case needs 2 of the contrasts T1, T2.*cases have T2$"):
        Samples(source=path, view=Stacks(cut=Slices()), split="test")
    with pytest.raises(ValueError, match=r"at_least must lie in \[1, 2\], the number of contrasts, got 3"):
        Samples(source=path, view=Stacks(cut=Slices(), at_least=3))


def test_crops_of_all_contrasts_are_cut_at_the_same_place(prepared):
    path = prepared(ALL_TRAIN, contrasts=SOME, shape=(12, 20, 16))
    data = Samples(source=path, view=Stacks(cut=Crops(size=(4, 8, 8), crops_per_volume=3)))
    assert len(data) == 2 * 3
    for index in range(6):
        item, window = data[index], data.view.cut.window((12, 20, 16), data.item(index))
        shard = np.load(path.parent / "shards" / f"{data.describe(index).case}.npy")
        given = item["image"][item["available"]].numpy()
        np.testing.assert_array_equal(given, np.stack([shard[:, c][window] for c in range(shard.shape[1])]))
        assert (item["image"][~item["available"]] == 0).all()
    assert data[0]["available"].tolist() == [False, True, True]
    assert data.describe(5)["contrasts"] == "FLAIR, T1, T2"
