"""What hidden words cost: a method that reads the clip gains by it, one that does not gains nothing; and the page."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
import torch

from medmae.data import CaptionedClips, Samples
from medmae.data.manifest import write
from medmae.data.video.sampling import DenseFrames
from medmae.evaluate.words.hidden_words import BLANK, COMMON, OTHER, OWN, _next_of_other_words, evaluate_hidden_words
from medmae.files import sha256_of
from medmae.methods.simvtp import simvtp_tiny
from medmae.report import write_report
from medmae.tokens.text import SPECIAL, Vocabulary

WORDS = Vocabulary((*SPECIAL, "goes", "left", "right", "up", "down"))
WAYS = WORDS.words[-4:]


@pytest.fixture
def samples(tmp_path):
    rows = []
    for number in range(8):
        path = tmp_path / "shards" / f"c{number}.npy"
        path.parent.mkdir(exist_ok=True)
        np.save(path, np.full((4, 32, 32, 1), 40 * (number % 4), np.uint8))
        rows.append(
            {
                "case": f"c{number}", "subject": f"p{number}", "split": "train" if number < 4 else "test",
                "kind": "video", "first": 0, "count": 4, "shard": f"shards/c{number}.npy",
                "shard_sha256": sha256_of(path), "dtype": "uint8", "size": [32, 32], "channels": 1, "fps": 1.0,
                "times": None, "label": None, "value": None, "captions": [f"{WAYS[number % 4]} {WAYS[number % 4]}"],
                "content_sha256": f"{number}" * 64, "flags": [],
            }
        )  # fmt: skip
    write(tmp_path / "manifest.jsonl", rows)
    view = CaptionedClips(
        sampling=DenseFrames(frames=4, stride=1), size=32, channels=1, vocabulary=WORDS, max_words=4, test_views=[1, 1]
    )
    return {split: Samples(source=tmp_path, view=view, split=split) for split in ("train", "test")}


class Reads(torch.nn.Module):
    """Knows each word by the grey of its clip."""

    def forward(self, batch, masks):
        clip = batch["image"].mean(dim=(1, 2, 3, 4))  # (B,)
        way = (clip * 255 / 40).round().long() + len(SPECIAL) + 1
        logits = torch.zeros(*masks["words"].masked.shape, len(WORDS))
        logits[..., len(SPECIAL)] = 1.0
        return logits.scatter(2, way[:, None, None].expand(-1, logits.shape[1], 1), 9.0)


@pytest.fixture
def method():
    torch.manual_seed(0)
    return simvtp_tiny(vocabulary=WORDS.words, in_channels=1, max_words=4)


def evaluated(method, samples, out):
    return evaluate_hidden_words(
        method=method, vocabulary=WORDS, held_out=samples["test"], train=samples["train"], out=out, strips=2
    )


def test_who_reads_the_clip_finds_words_that_another_clip_hides(method, samples, tmp_path, monkeypatch):
    reads = Reads()
    monkeypatch.setattr("medmae.evaluate.words.hidden_words._logits", lambda _, batch, masks: reads(batch, masks))
    scores = evaluated(method, samples, tmp_path / "evaluation")["scores"]
    assert scores[OWN]["mean"] < scores[COMMON]["mean"] < scores[OTHER]["mean"]
    assert scores["gain of the own clip"]["ci_low"] > 0
    assert scores["gain of the own clip"]["n_subjects"] == 4
    assert scores["right"]["mean"] == 1
    assert scores["right by a clip of other words"]["mean"] == 0


def test_a_blank_clip_shows_nothing_of_its_own(method, samples, tmp_path, monkeypatch):
    greys = []

    def reads(_, batch, masks):
        greys.append(batch["image"].amax(dim=(1, 2, 3, 4)) - batch["image"].amin(dim=(1, 2, 3, 4)))
        greys.append(batch["image"].mean(dim=(1, 2, 3, 4)))
        return Reads()(batch, masks)

    monkeypatch.setattr("medmae.evaluate.words.hidden_words._logits", reads)
    scores = evaluated(method, samples, tmp_path / "evaluation")["scores"]
    assert greys[4].tolist() == [0] * 4
    assert greys[5].tolist() == pytest.approx([60 / 255] * 4)
    assert scores[OWN]["mean"] < scores[BLANK]["mean"]
    assert scores["gain over a blank clip"]["mean"] == pytest.approx(scores[BLANK]["mean"] - scores[OWN]["mean"])


def test_another_caption_of_the_same_video_is_not_the_clip_of_other_words():
    words = torch.tensor([[1], [2], [3], [1]])
    other, differs = _next_of_other_words(words, ["a", "a", "b", "b"])
    assert other.tolist() == [2, 2, 0, 1]
    assert differs.all()
    assert not _next_of_other_words(words[:2], ["a", "a"])[1].any()


def test_every_caption_has_a_row_of_its_own(method, samples, tmp_path):
    record = evaluated(method, samples, tmp_path / "evaluation")
    with (tmp_path / "evaluation" / "hidden_words.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["case"] for row in rows] == ["c4", "c5", "c6", "c7"]
    assert np.mean([float(row[OWN]) for row in rows]) == pytest.approx(record["scores"][OWN]["mean"], rel=1e-6)
    assert np.mean([float(row["its own words"]) for row in rows]) == pytest.approx(
        record["cubes"]["its own words"]["mean"], rel=1e-6
    )


def test_who_does_not_read_it_gains_nothing(method, samples, tmp_path, monkeypatch):
    blind = lambda _, batch, masks: torch.zeros(*masks["words"].masked.shape, len(WORDS))  # noqa: E731
    monkeypatch.setattr("medmae.evaluate.words.hidden_words._logits", blind)
    scores = evaluated(method, samples, tmp_path / "evaluation")["scores"]
    assert scores["gain of the own clip"]["mean"] == 0
    assert scores[OWN]["mean"] == pytest.approx(np.log(len(WORDS)), rel=1e-5)


def test_the_page_shows_strips_with_words_given_and_guessed(method, samples, tmp_path):
    evaluated(method, samples, tmp_path / "evaluation")
    (tmp_path / "run.json").write_text(json.dumps({"title": "t"}))
    page = write_report(tmp_path).read_text(encoding="utf-8")
    assert "Hidden words" in page
    assert "<ins>" in page
    assert "Words of another clip" in page
    told = json.loads((tmp_path / "evaluation" / "word_strips" / "panels.json").read_text())
    assert len(told) == 2
    assert all("guess" in word or word["given"] in WORDS.words for row in told for word in row["words"])
