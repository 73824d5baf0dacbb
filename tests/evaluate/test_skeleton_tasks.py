"""Skeletons by the one protocol: velocities, retrieval, and how far hidden joints are off."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from data_prep.tiny.skeletons import make
from medmae.axes import Axis
from medmae.data import Samples, Skeletons
from medmae.data.skeletons.cut import SkeletonCut
from medmae.evaluate.classify.plain_features import plain_features, velocities
from medmae.evaluate.classify.protocol import Protocol, evaluate_encoders
from medmae.evaluate.classify.retrieval import Retrieval
from medmae.evaluate.features.extractor import FeatureExtractor
from medmae.evaluate.skeletons.hidden_joints import LINE, MODEL, STILL, evaluate_hidden_joints
from medmae.kinds import Kind
from medmae.methods.skeleton_mae import skeleton_mae_tiny
from medmae.nn.skeletons import SKELETON
from medmae.report.moving import Moving, moving_figures


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    return make(tmp_path_factory.mktemp("skeletons"))[0]


def samples(prepared, split):
    return Samples(source=prepared, split=split, view=Skeletons(cut=SkeletonCut(frames=16), test=True))


def method(**options):
    torch.manual_seed(0)
    return skeleton_mae_tiny(joints=25, **options)


def test_what_is_said_of_skeletons_without_a_network():
    assert list(plain_features(SKELETON)) == ["mean pose", "joint velocities", "raw joints"]
    data = torch.arange(32.0).reshape(1, 1, 32, 1).expand(2, 3, 32, 5)
    assert torch.allclose(velocities(data), torch.full((2, 3 * 15 * 5), 2.0))  # of 16 moments, two frames each


def test_retrieval_finds_a_recording_of_the_same_class(prepared, tmp_path):
    train, test = samples(prepared, "train"), samples(prepared, "test")
    encoder = FeatureExtractor(encoder=method().encoder, name="skeletons")
    found = evaluate_encoders(
        {"skeletons": encoder},
        train=train,
        test=test,
        task=Retrieval(labels=train.classes),
        out=tmp_path / "evaluation",
        protocol=Protocol(labels=(None,), seeds=(0,)),
    )
    scores = next(iter(found["tasks"].values()))["scores"]
    assert any(name.startswith("skeletons") for name in scores)
    assert any(name.startswith("joint velocities") for name in scores)


def test_a_network_that_is_right_is_not_off_and_baselines_are_what_they_say(prepared, tmp_path):
    own = method()
    shown = own.show

    def right(batch, masks):
        one = shown(batch, masks)["skeleton"]
        return {"skeleton": type(one)(one.kind, one.given, one.hidden, one.given)}

    own.show = right
    held_out, train = samples(prepared, "test"), samples(prepared, "train")
    record = evaluate_hidden_joints(method=own, held_out=held_out, train=train, out=tmp_path)
    assert record["scores"][MODEL]["mean"] == pytest.approx(0, abs=1e-6)
    assert record["scores"][LINE]["mean"] > 0.01
    mean = torch.stack([train[number]["skeleton"] for number in range(len(train))]).mean(dim=0)
    still = float((held_out[0]["skeleton"] - mean).norm(dim=0).mean())
    assert record["scores"][STILL]["mean"] == pytest.approx(still, rel=0.5)
    told = json.loads((tmp_path / "moving_skeletons.json").read_text())["skeletons"]
    assert {one["worst"] for one in told} == {False, True}
    assert sum(one["worst"] for one in told) == 2


def test_skeletons_move_without_a_script_and_their_window_holds_them():
    kind = Kind(
        "skeleton", (Axis("time", unit="s", step=0.5), Axis("joint", links=((1, 0), (2, 1)))), ("x", "y", "z"), None
    )
    given = np.random.default_rng(0).normal(size=(3, 40, 3)) * np.array([1, 5, 1])[:, None, None]
    hidden = np.zeros((40, 3), bool)
    hidden[:, 2] = True
    moving = Moving.of(kind, given, given + 0.1, hidden)
    assert moving.given.shape == (32, 3, 2)  # at most so many frames
    assert moving.seconds == 20
    assert 0 <= moving.given.min() <= moving.given.max() <= 200
    page = str(moving_figures(Moving.from_json(json.loads(json.dumps(moving.as_json())))))
    assert page.count("<svg") == 4
    assert "script" not in page
    assert page.count("repeatCount") == page.count("<path")


def test_weights_of_another_kind_of_data_are_refused_by_both_names():
    extract = FeatureExtractor(encoder=method().encoder, device="cpu")
    with pytest.raises(ValueError, match="the encoder takes 'skeleton', and samples have no 'skeleton' but 'audio'"):
        extract.has({"audio": torch.zeros(2, 1, 8, 8)})
