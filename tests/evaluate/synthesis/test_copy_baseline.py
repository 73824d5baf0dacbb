"""The baseline that a synthesis must beat."""

import numpy as np
import pytest

from medmae.evaluate.synthesis.copy_baseline import CopyBaseline


def fitted(manifest, *, target="T2"):
    return CopyBaseline.fit(manifest, target=target)


def test_the_copy_gets_the_target_s_histogram_and_keeps_the_source_s_order(make_set):
    manifest = make_set()
    source = np.load(manifest.folder / "shards" / "d.npy")[:, 0]
    copy = fitted(manifest)(source, foreground=source > 0)
    targets = [np.load(manifest.folder / "shards" / f"{name}.npy")[:, 1] for name in "ab"]
    expected = np.mean([np.quantile(t[t > 0], [0.1, 0.5, 0.9]) for t in targets], axis=0)
    assert np.quantile(copy[source > 0], [0.1, 0.5, 0.9]) == pytest.approx(expected, abs=0.02)
    inside = np.argsort(source[source > 0], kind="stable")
    assert np.all(np.diff(copy[source > 0][inside]) >= 0)
    assert np.all(copy[source == 0] == 0)


def test_the_test_subject_s_own_target_plays_no_part(make_set):
    manifest = make_set()
    path = manifest.folder / "shards" / "d.npy"
    block = np.load(path)
    before = fitted(manifest)(block[:, 0], foreground=block[:, 0] > 0)
    block[:, 1] = 0.123
    np.save(path, block)
    assert np.array_equal(fitted(manifest)(block[:, 0], foreground=block[:, 0] > 0), before)


def test_without_a_training_case_the_copy_is_the_source_and_says_so(make_set):
    baseline = fitted(make_set(splits={"d": "test"}))
    source = np.random.default_rng(0).random((3, 4, 4)).astype(np.float32)
    assert np.array_equal(baseline(source, foreground=source > 0), source)
    assert "as it is" in baseline.description


def test_the_description_counts_the_training_cases(make_set):
    assert "2 training cases" in fitted(make_set()).description


def test_a_source_without_foreground_is_copied(make_set):
    source = np.zeros((3, 4, 4), np.float32)
    assert np.array_equal(fitted(make_set())(source, foreground=source > 0), source)
