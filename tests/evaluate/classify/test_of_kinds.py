"""Frozen features of several kinds: every kind on and off, on the same samples, and no gradient to any encoder."""

from __future__ import annotations

import pytest
import torch

from data_prep.tiny.moments import make
from medmae.data import Moments, Samples
from medmae.data.moments.windows import by_steps
from medmae.errors import DataError
from medmae.evaluate.classify.of_kinds import evaluate_each_kind, features_of_ways
from medmae.evaluate.retrieval.of_kinds import evaluate_kinds_found
from medmae.methods.pair_emotion import PairEmotion

VIEW = Moments(front=by_steps(bins=40), test_view=True)


@pytest.fixture(scope="module")
def samples(tmp_path_factory):
    prepared = make(tmp_path_factory.mktemp("moments"))[0]
    return [Samples(source=prepared, view=VIEW, split=split) for split in ("train", "test")]


@pytest.fixture
def method():
    torch.manual_seed(0)
    return PairEmotion(encoders="small", projector_dim=16, projection_dim=8)


def test_each_kind_alone_and_both_are_learnt_from_frozen_features(samples, method, tmp_path):
    train, test = samples
    before = {name: value.clone() for name, value in method.state_dict().items()}
    record = evaluate_each_kind(method.encoder, train=train, test=test, out=tmp_path, seeds=(0, 1))
    scores = record["tasks"]["all labels"]["scores"]
    ours = {name for name in scores if name not in record["tasks"]["all labels"]["baselines"]}
    assert {name.rpartition(", ")[0] for name in ours} == {"audio alone", "landmarks alone", "audio + landmarks"}
    assert {"untrained, logistic regression", "log-spectrum of audio, logistic regression"} <= scores.keys()
    assert record["tasks"]["all labels"]["lacking"] == 2  # no table of a face, and a face that is lost
    for name, value in method.state_dict().items():
        assert torch.equal(value, before[name])
    assert all(parameter.grad is None for parameter in method.parameters())


def test_what_is_not_given_is_not_read_and_projections_are_no_part_of_it(samples, method):
    some = [samples[1][number] for number in (0, 1)]
    own = features_of_ways(method.encoder, some, {"voice": ("audio",), "both": ("audio", "landmarks")})
    changed = [{**one, "landmarks": torch.rand_like(one["landmarks"])} for one in some]
    other = features_of_ways(method.encoder, changed, {"voice": ("audio",), "both": ("audio", "landmarks")})
    assert (own["voice"] == other["voice"]).all()
    assert (own["both"] != other["both"]).any()
    with torch.no_grad():
        for parameter in method.projections.parameters():
            parameter.zero_()
    again = features_of_ways(method.encoder, some, {"both": ("audio", "landmarks")})
    assert (again["both"] == own["both"]).all()


def test_voices_are_looked_for_by_faces_among_recordings_that_have_both(samples, method, tmp_path):
    train, test = samples
    record = evaluate_kinds_found(method, held_out=test, train=train, between=("audio", "landmarks"), out=tmp_path)
    assert list(record["tasks"]) == ["audio to landmarks", "landmarks to audio"]
    task = record["tasks"]["audio to landmarks"]
    assert task["gallery"] == task["queries"] == len(test) - 1
    assert set(task["scores"]) == {"likeness", "linear map", "chance"}
    with pytest.raises(DataError, match="have audio and landmarks: nothing can be looked for"):
        evaluate_kinds_found(
            method,
            held_out=Samples(source=test.source, view=VIEW, split="test", limit=1),
            train=train,
            between=("audio", "landmarks"),
            out=tmp_path,
        )


def test_points_that_belong_together_are_found(samples, tmp_path):
    class Known(torch.nn.Module):
        """Knows what belongs together by the number of the sample."""

        def points(self, batch):
            rows = torch.nn.functional.one_hot(batch["index"], 40).float()
            return {"audio": 3 * rows, "landmarks": rows}

    train, test = samples
    record = evaluate_kinds_found(Known(), held_out=test, train=train, between=("landmarks", "audio"), out=tmp_path)
    assert record["tasks"]["landmarks to audio"]["scores"]["likeness"]["metrics"]["r_at_1"]["mean"] == 1.0
