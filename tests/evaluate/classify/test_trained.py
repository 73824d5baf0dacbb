"""A classifier that was trained already, on held-out tiles."""

import json
import shutil

import numpy as np
import pytest
import torch

from data_prep.tiny import make
from medmae.data import Samples, Tiles
from medmae.errors import DataError
from medmae.evaluate.classify.estimators import Trained
from medmae.evaluate.classify.folds import Fold
from medmae.evaluate.classify.single_label import SingleLabel
from medmae.evaluate.classify.trained import evaluate_trained
from medmae.evaluate.slides.class_maps import map_trained
from medmae.methods.he_mmae import he_mmae_tiny
from medmae.nn.heads import Classifier


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    return make("tiles", tmp_path_factory.mktemp("tiles"))[0]


def network(*, classes=2, pool="class_token"):
    torch.manual_seed(0)
    return Classifier(encoder=he_mmae_tiny(scale="imagenet").encoder, num_classes=classes, pool=pool)


def split(prepared, folder, splits):
    """The same tiles with labels of some patients taken away: ``{patient: (split, label or None)}``."""
    shutil.copytree(prepared, folder)
    rows = [json.loads(line) for line in (folder / "manifest.jsonl").read_text().splitlines()]
    for row in rows:
        row["split"], label = splits[row["subject"]]
        if label is not None:
            row["tiles"]["label"] = [label] * row["count"]
    (folder / "manifest.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return [
        Samples(source=folder, view=Tiles(size=32, name="rgb"), split=name, classes=["STR", "TUM"])
        for name in ("train", "test")
    ]


def test_what_a_fold_offers_to_learn_from_is_not_looked_at(prepared):
    tiles = Samples(source=prepared, view=Tiles(size=32, name="rgb"), split=None)

    class OfTheTest:
        def __len__(self):
            return len(tiles)

        def __getitem__(self, number):
            assert number in (4, 7)
            return tiles[number]

    fold = Fold(train=np.array([0, 1]), val=np.array([2]), test=np.array([4, 7]))
    said = Trained(network=network(), samples=OfTheTest(), name="rgb")(
        fold, tiles.labels, task=SingleLabel(classes="ab"), seed=0
    )
    assert said.shape == (2, 2)
    np.testing.assert_allclose(said.sum(axis=1), 1, rtol=1e-5)


def test_a_class_that_nobody_could_learn_is_refused_by_name(prepared, tmp_path):
    splits = {f"p{n}": ("train" if n < 3 else "test", "STR" if n < 3 else None) for n in range(6)}
    train, test = split(prepared, tmp_path / "x", splits)
    with pytest.raises(DataError, match="no tile of TUM to learn from"):
        evaluate_trained(network=network(), name="rgb", train=train, held_out=test, out=tmp_path / "out")


def test_a_class_that_no_held_out_patient_has_is_warned_of(prepared, tmp_path):
    splits = {f"p{n}": ("train" if n < 3 else "test", None if n < 3 else "STR") for n in range(6)}
    train, test = split(prepared, tmp_path / "x", splits)
    with pytest.warns(UserWarning, match="no held-out tile of TUM"):
        record = evaluate_trained(network=network(), name="rgb", train=train, held_out=test, out=tmp_path / "out")
    assert record["tasks"]["all labels"]["scores"]["this network, fine-tuned"]["metrics"]["accuracy"]["n_units"] == 3


@pytest.mark.parametrize(("options", "told"), [({"classes": 3}, "2 classes"), ({"pool": "all"}, "pool")])
def test_a_network_that_cannot_map_is_refused(prepared, tmp_path, options, told):
    tiles = Samples(source=prepared, view=Tiles(size=32, name="rgb"), split=None)
    with pytest.raises(ValueError, match=told):
        map_trained(slides=tiles, network=network(**options), classes=["STR", "TUM"], out=tmp_path)
