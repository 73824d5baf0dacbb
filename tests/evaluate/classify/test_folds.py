"""Few-label folds: disjoint, stratified, by patient, and of exactly the size that was asked for."""

from __future__ import annotations

import numpy as np
import pytest

from medmae.errors import DataError
from medmae.evaluate.classify.folds import few_label_folds

LABELS = np.arange(400) % 8
PATIENTS = np.array([f"p{n // 8 % 10}" for n in range(400)])  # each has every class


def test_a_hundred_labels_of_eight_classes_are_twelve_a_class_in_each_fold():
    test = np.arange(400) >= 320
    folds = few_label_folds(LABELS, test=test, each=12, folds=2)
    assert len(folds) == 2
    for fold in folds:
        assert np.bincount(LABELS[fold.train]).tolist() == [12] * 8
        assert np.bincount(LABELS[fold.val]).tolist() == [12] * 8
        assert fold.test.tolist() == list(range(320, 400))


@pytest.mark.parametrize("groups", [None, PATIENTS])
@pytest.mark.parametrize("own", [True, False])
def test_no_sample_and_no_patient_is_in_two_parts_of_a_fold(groups, own):
    test = np.array([p in ("p8", "p9") for p in PATIENTS]) if own else None
    for fold in few_label_folds(LABELS, groups=groups, test=test, each=8, folds=4):
        parts = [fold.train, fold.val, fold.test]
        assert all(len(part) for part in parts)
        kinds = [set(part if groups is None else groups[part]) for part in parts]
        assert sum(map(len, kinds)) == len(set.union(*kinds))
        assert np.bincount(LABELS[fold.train]).tolist() == [8] * 8


def test_without_a_test_set_of_its_own_every_sample_is_judged_once():
    folds = few_label_folds(LABELS, groups=PATIENTS, each=2, folds=5)
    assert np.sort(np.concatenate([fold.test for fold in folds])).tolist() == list(range(400))


def test_the_same_seed_gives_the_same_folds_and_another_one_others():
    def chosen(seed):
        return [fold.train.tolist() for fold in few_label_folds(LABELS, each=5, folds=3, seed=seed)]

    assert chosen(1) == chosen(1)
    assert chosen(1) != chosen(2)
    assert chosen(1)[0] != chosen(1)[1]


def test_samples_are_drawn_from_everywhere_not_the_first_ones():
    fold = few_label_folds(LABELS, each=5, folds=2)[0]
    assert fold.train.max() > 300


def test_without_a_budget_all_samples_are_learnt_from():
    folds = few_label_folds(LABELS, folds=4, validate=False)
    for fold in folds:
        assert len(fold.train) == 300
        assert len(fold.val) == 0
        assert len(fold.test) == 100


def test_two_patients_a_class_leave_one_to_learn_from_unless_validation_takes_it():
    labels, patients = np.repeat([0, 1], 6), np.repeat(["a", "b", "c", "d"], 3)
    fold = few_label_folds(labels, groups=patients, each=2, folds=2, validate=False)[0]
    assert np.bincount(labels[fold.train]).tolist() == [2, 2]
    with pytest.raises(DataError, match=r"fold 0 has 0 samples of class \d to learn from, 2 are needed"):
        few_label_folds(labels, groups=patients, each=2, folds=2)


def test_what_cannot_be_split_is_refused():
    with pytest.raises(ValueError, match=r"0 to K - 1, each at least once, got \[-1, 0, 1\]"):
        few_label_folds(np.array([0, 1, -1]))
    with pytest.raises(ValueError, match=r"0 to K - 1, each at least once, got \[0, 2\]"):
        few_label_folds(np.array([0, 2]))
    with pytest.raises(ValueError, match="each class needs a label"):
        few_label_folds(LABELS, each=0)
    with pytest.raises(DataError, match="10 patients do not make 11 folds"):
        few_label_folds(LABELS, groups=PATIENTS, folds=11)
    with pytest.raises(DataError, match="in the test set and among those") as caught:
        few_label_folds(LABELS, groups=PATIENTS, test=np.arange(400) >= 390, folds=2)
    assert caught.value.value == ["p8", "p9"]


def test_with_a_test_set_of_its_own_one_fold_learns_from_all_others():
    test = np.arange(400) >= 320
    (fold,) = few_label_folds(LABELS, test=test, folds=1)
    assert fold.train.tolist() == list(range(320))
    assert fold.test.tolist() == list(range(320, 400))
    assert len(fold.val) == 0


def test_one_fold_without_a_test_set_of_its_own_is_refused():
    with pytest.raises(ValueError, match="at least 2 folds are needed"):
        few_label_folds(LABELS, folds=1)
