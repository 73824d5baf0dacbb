"""What a synthesis must beat."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import uniform_filter

from medmae.evaluate.synthesis.baselines import Baselines
from medmae.evaluate.synthesis.case_scores import SynthesisCases
from tests.shards import rewrite_shard

PAIR = {"source": "T1", "target": "T2"}


def cases(manifest, split, **options):
    return SynthesisCases(manifest=manifest, split=split, **(options or PAIR))


def made(manifest, *, subjects=None, **options):
    """What the baselines make of the first test case, and its volumes."""
    test = cases(manifest, "test", **options)
    task = test.tasks()[0]
    volumes = test.read(task)
    return Baselines(train=cases(manifest, "train", **options), subjects=subjects)(task, volumes.image), volumes


def rewrite(manifest, channel, values):
    """Replaces a contrast of every case by a function of its first one."""
    for path in (manifest.folder / "shards").glob("?.npy"):
        block = np.load(path)
        block[:, channel] = values(block[:, 0])
        rewrite_shard(manifest, path, block)


def error(volume, volumes):
    return np.abs(volume - volumes.real)[volumes.foreground].mean()


def test_a_table_inverts_a_contrast_and_follows_one_that_bends(make_set):
    manifest = make_set()
    rewrite(manifest, 1, lambda t1: np.where(t1 > 0, 4 * (t1 - 0.5) ** 2 + 0.1, 0))
    found, volumes = made(manifest)
    assert error(found["table"], volumes) < 0.02
    assert np.all(found["table"][volumes.source == 0] == 0)


def test_neighbourhoods_tell_what_a_grey_value_does_not(make_set):
    manifest = make_set()
    rewrite(manifest, 1, lambda t1: np.where(t1 > 0, uniform_filter(t1, 5), 0))
    found, volumes = made(manifest)
    assert error(found["patch"], volumes) < 0.4 * error(found["table"], volumes)


def test_two_contrasts_together_tell_what_each_alone_does_not(make_set):
    three = {"source": ["T1", "FLAIR"], "target": "T2", "contrasts": ("T1", "T2", "FLAIR")}
    manifest = make_set(contrasts=("T1", "T2", "FLAIR"))
    noise = np.random.default_rng(0)
    rewrite(manifest, 2, lambda t1: np.where(t1 > 0, noise.uniform(0.1, 0.9, t1.shape), 0))
    for path in (manifest.folder / "shards").glob("?.npy"):
        block = np.load(path)
        block[:, 1] = 0.5 * (block[:, 0] + block[:, 2])
        rewrite_shard(manifest, path, block)
    found, volumes = made(manifest, **three)
    assert error(found["joint"], volumes) < 0.7 * error(found["table"], volumes)


def test_the_table_is_of_the_one_contrast_that_tells_the_target_best(make_set):
    options = {"source": None, "target": "T2", "contrasts": ("FLAIR", "T1", "T2")}
    manifest = make_set(contrasts=("T1", "T2", "FLAIR"))
    noise = np.random.default_rng(0)
    rewrite(manifest, 2, lambda t1: np.where(t1 > 0, noise.uniform(0.1, 0.9, t1.shape), 0))
    found, volumes = made(manifest, **options)
    assert error(found["table"], volumes) < 0.05


def test_no_other_subject_than_those_of_training_plays_a_part(make_set):
    manifest = make_set()
    before, _ = made(manifest, subjects=["a"])
    for name in "bcde":
        path = manifest.folder / "shards" / f"{name}.npy"
        block = np.load(path)
        block[:, 1] = 0.123
        rewrite_shard(manifest, path, block)
    after, _ = made(manifest, subjects=["a"])
    assert all(np.array_equal(before[name], after[name]) for name in ("table", "patch"))


def test_the_same_data_give_the_same_volumes(make_set):
    manifest = make_set()
    first, second = made(manifest)[0], made(manifest)[0]
    assert all(np.array_equal(first[name], second[name]) for name in first)


def test_what_no_training_case_tells_is_none(make_set):
    options = {"source": None, "target": None, "contrasts": ("FLAIR", "T1", "T2")}
    has = {"a": ("T1", "T2"), "b": ("T1", "T2"), "c": ("T1",), "d": ("T1", "FLAIR"), "e": ("T1",)}
    manifest = make_set(contrasts=has)
    test = cases(manifest, "test", **options)
    task = test.tasks()[0]
    found = Baselines(train=cases(manifest, "train", **options))
    assert found(task, test.read(task).image) == {"table": None, "joint": None, "patch": None}
    assert found.fitted_on == {task.way: 0}
    known = replace(task, row=found._tasks[0].row, sources=("T1",), target="T2")
    assert found(known, found.train.read(known).image)["table"] is not None


@pytest.mark.parametrize("subjects", [[], ["z"]])
def test_without_a_pair_there_is_none(make_set, subjects):
    assert Baselines(train=cases(make_set(), "train"), subjects=subjects).names == ()
