"""Which data the weights of a training can be used on, of those that it knows."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np

from medmae.data import Pictures, Samples
from medmae.recipes import Images
from medmae.recipes.uses import data_for


def samples(path, labels):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 255, (len(labels), 8, 8)).astype(np.uint8)
    names = np.array([f"p{number}" for number in range(len(labels))])
    given = {} if labels[0] is None else {"labels": np.array(labels)}
    np.savez(path, images=images, patients=names, **given)
    source = Images(source=path, fractions=[0.5, 0.0, 0.5])
    view = Pictures(size=8, channels=1)
    return [Samples(source=source, view=view, split=split, may_be_empty=True) for split in ("train", "test", "val")]


def test_held_out_samples_are_those_that_there_are(tmp_path):
    path = tmp_path / "a.npz"
    train, test, none = samples(path, [0, 1] * 20)
    assert [data_for(wanted, train=train, held_out=test) for wanted in ("samples", "held_out", "classes")] == [path] * 3
    assert data_for("held_out", train=train, held_out=none) is None
    assert data_for("classes", train=train, held_out=None) is None
    assert data_for("slides", train=train, held_out=test) is None


def test_classes_want_several_of_them_in_both(tmp_path):
    for labels in ([None] * 20, [0] * 20):
        train, test, _ = samples(tmp_path / "a.npz", labels)
        assert data_for("classes", train=train, held_out=test) is None
        assert data_for("held_out", train=train, held_out=test) is not None


def test_volumes_are_those_that_a_set_was_prepared_from_while_they_are_there(tmp_path):
    (tmp_path / "prepared").mkdir()
    train = SimpleNamespace(source=SimpleNamespace(path=tmp_path / "prepared" / "manifest.jsonl"))
    assert data_for("volumes", train=train, held_out=None) is None
    (tmp_path / "prepared" / "prep.json").write_text(json.dumps({"source": str(tmp_path / "raw")}))
    assert data_for("volumes", train=train, held_out=None) is None
    (tmp_path / "raw").mkdir()
    assert data_for("volumes", train=train, held_out=None) == tmp_path / "raw"
