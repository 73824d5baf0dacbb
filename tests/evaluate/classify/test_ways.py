"""Samples of several kinds: one network asked by each and by all, on the same samples."""

from __future__ import annotations

import csv
import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from data_prep.tiny import make
from medmae.data import Samples, SoundCut, SoundedClips
from medmae.data.video.sampling import DenseFrames
from medmae.evaluate.batches import each_batch
from medmae.evaluate.classify.labelled import labelled
from medmae.evaluate.classify.plain_features import describe_kinds, plain_features
from medmae.evaluate.classify.predictions import predict_images
from medmae.evaluate.classify.protocol import read_all
from medmae.evaluate.classify.trained import evaluate_trained
from medmae.evaluate.classify.ways import called, every_choice, ways_of
from medmae.evaluate.features.views_of_units import ViewsOfUnits
from medmae.tokens.modalities import THERE

VIEW = SoundedClips(
    size=16, channels=1, sampling=DenseFrames(frames=4, stride=2), sound=SoundCut(frames=30), test_views=(1, 1)
)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    return make("echoes", tmp_path_factory.mktemp("echoes"))[0]


@pytest.fixture
def samples(prepared):
    with pytest.warns(UserWarning, match="have no sound"):
        return [Samples(source=prepared, view=VIEW, split=split) for split in ("train", "test")]


class Loudness(nn.Module):
    """Says murmur by the loudness of sound, and nothing by pictures; refuses what it was not to be given."""

    def forward(self, batch):
        kinds = [name for name in ("image", "audio") if name in batch]
        loud = (
            batch["audio"].mean(dim=(1, 2, 3)) + 9
            if "audio" in kinds
            else batch["image"].new_zeros(len(batch["image"]))
        )
        assert not loud.isnan().any()
        return torch.stack([loud, -loud], dim=1)


def test_choices_go_from_each_kind_alone_to_all():
    assert ways_of(every_choice(["a", "b", "c"])) == {
        "a alone": ("a",),
        "b alone": ("b",),
        "c alone": ("c",),
        "a + b": ("a", "b"),
        "a + c": ("a", "c"),
        "b + c": ("b", "c"),
        "a + b + c": ("a", "b", "c"),
    }
    assert "," not in called(["a", "b"])


@pytest.mark.filterwarnings("ignore:no held-out clip")
def test_one_network_is_asked_by_each_kind_and_by_both_on_the_samples_that_have_both(samples, tmp_path):
    train, test = samples
    ways = ways_of([("image",), ("audio",), ("image", "audio")])
    record = evaluate_trained(network=Loudness(), ways=ways, train=train, held_out=test, out=tmp_path)
    scores = record["tasks"]["all labels"]["scores"]
    assert {f"{way}, fine-tuned" for way in ways} <= scores.keys()
    with (tmp_path / "protocol" / "all_labels" / "predictions.csv").open() as file:
        said = {row["p_murmur"] for row in csv.DictReader(file) if row["encoder"] == "image alone"}
    assert said == {"0.5"}
    assert scores["audio alone, fine-tuned"] == scores["image + audio, fine-tuned"]
    assert {row["b_minus_a"] is not None for row in record["paired"]} == {True}
    together = [name for name in scores if name.startswith("mean frame of image + log-spectrum of audio")]
    assert together
    assert "mean intensity of image, logistic regression" in scores
    lost = json.loads((tmp_path / "left_out.json").read_text())
    silent = [row["case"] for some in samples for row in some.source if row["split"] == some.split and not row["sound"]]
    assert list(lost["lacking"].values()) == ["it has no audio"] * len(silent)
    assert lost["samples"] == {}  # nothing is wrong with them
    assert record["tasks"]["all labels"]["lacking"] == len(silent)
    assert len(silent) >= 1


def test_what_is_left_out_is_left_out_of_descriptions_and_targets_alike(samples, tmp_path):
    train, test = samples
    data = labelled(train, test)
    plain, kept = read_all(data, list(train.kinds.values()), out=tmp_path)
    assert len(kept) < len(data)
    assert {len(rows) for rows in plain.values()} == {len(kept)}
    assert all(np.isfinite(rows).all() for rows in plain.values())


def test_of_a_set_in_which_nothing_has_all_kinds_nothing_is_said():
    silent = [{"image": torch.rand(1, 2, 4, 4), "audio": torch.rand(1, 8, 4), "audio_there": torch.tensor(False)}] * 3
    by = {name: plain_features(kind) for name, kind in VIEW.kinds(None).items()}
    lost = {}
    assert describe_kinds([silent], by=by, lacking=lost) == {}
    assert set(lost.values()) == {"it has no audio"}


def test_views_hand_on_which_kinds_they_have_and_are_averaged(prepared):
    with pytest.warns(UserWarning, match="have no sound"):
        some = Samples(source=prepared, view=replace(VIEW, test_views=(3, 1)), split=None)
    units = ViewsOfUnits.of(some)
    assert units[0]["audio" + THERE].shape == (3,)
    (_, batch), *_ = each_batch(units, batch_size=100)
    assert batch["audio"].shape[:2] == (len(units), 3)


def test_predictions_are_by_what_a_clip_has_and_several_labels_by_one_half(samples, tmp_path):
    class Both(nn.Module):
        def forward(self, batch):
            has = batch["audio_there"] if "audio_there" in batch else torch.ones(len(batch["image"]), dtype=torch.bool)
            return torch.where(has[:, None], torch.tensor([1.0, 2.0]), torch.tensor([-1.0, -2.0]))

    table = predict_images(
        images=samples[0], network=Both(), name=("image", "audio"), classes=["a", "b"], out=tmp_path, several=True
    )
    rows = table.read_text().splitlines()[1:]
    assert sum(',"a, b",' in row for row in rows) == len(rows) - sum(",,0.26" in row for row in rows)
    assert any(",,0.26" in row for row in rows)
