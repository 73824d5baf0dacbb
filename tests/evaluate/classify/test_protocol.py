"""One protocol for any encoders: what is trained on what, what stands beside them, and what is written."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
import torch
from rich.console import Console

from medmae.data import Pictures, Samples
from medmae.errors import DataError
from medmae.evaluate.classify import protocol
from medmae.evaluate.classify.few_label_scores import Fit
from medmae.evaluate.classify.few_label_scores import Samples as Labelled
from medmae.evaluate.classify.protocol import judge_encoders
from medmae.evaluate.classify.protocol_tables import paired_rows
from medmae.nn.vit import MaskedViT

SIZES = {"image_size": 16, "patch_size": 8, "in_channels": 1, "embed_dim": 16, "depth": 1, "num_heads": 2}
QUIET = {"console": Console(quiet=True), "resamples": 50}


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """Images of eight patients, each of both classes; the right half of class 1 is brighter."""
    rng = np.random.default_rng(0)
    labels = np.arange(96) % 2
    images = rng.integers(0, 120, (96, 16, 16), dtype=np.uint8)
    images[labels == 1, :, 8:] += 100
    path = tmp_path_factory.mktemp("images") / "set.npz"
    np.savez(path, images=images, labels=labels, subjects=np.array([f"p{i // 2 % 8}" for i in range(96)]))
    return path


def sets(source):
    return {
        split: Samples(source=source, view=Pictures(size=16, channels=1), split=split) for split in ("train", "test")
    }


def encoder(seed=0):
    torch.manual_seed(seed)
    return MaskedViT(**SIZES)


@pytest.fixture(scope="module")
def judged(source, tmp_path_factory):
    out = tmp_path_factory.mktemp("run") / "evaluation"
    tuning = {"epochs": 2, "warmup_epochs": 1, "batch_size": 16}
    record = judge_encoders(
        {"one": encoder(0), "two": encoder(1)}, **sets(source), out=out, few=4, seeds=(0, 1), tuning=tuning, **QUIET
    )
    return out, record


def test_every_encoder_meets_every_classifier_and_the_baselines_stand_beside(judged):
    _, record = judged
    assert list(record["tasks"]) == ["all labels", "4 labels a class"]
    kinds = {"nearest neighbours", "logistic regression", "linear probe", "fine-tuned"}
    for task in record["tasks"].values():
        assert {f"{name}, {kind}" for name in ("one", "two") for kind in kinds} <= set(task["scores"])
        beside = {f"untrained, {kind}" for kind in kinds - {"fine-tuned"}} | {"from scratch, fine-tuned"}
        assert set(task["baselines"]) == beside | {"raw pixels, nearest neighbours", "raw pixels, logistic regression"}
        assert task["unit"] == "patient"
    assert record["tasks"]["4 labels a class"]["labels"] == 8
    assert (
        record["tasks"]["all labels"]["scores"]["raw pixels, logistic regression"]["metrics"]["accuracy"]["mean"] > 0.9
    )


def test_scores_fits_and_paired_differences_are_tables(judged):
    out, record = judged
    assert json.loads((out / "protocol.json").read_text()) == record
    scores = list(csv.DictReader((out / "protocol" / "scores.csv").open()))
    assert {row["fits"] for row in scores} == {"2"}
    assert len(scores) == 2 * 14 * 4
    paired = list(csv.DictReader((out / "protocol" / "paired.csv").open()))
    assert {(row["a"], row["b"]) for row in paired if row["classifier"] == "fine-tuned"} == {
        ("one", "two"), ("one", "from scratch"), ("two", "from scratch")
    }  # fmt: skip
    assert (out / "protocol" / "all_labels" / "few_labels" / "predictions.csv").is_file()
    assert (out / "embedding_map.json").is_file()


def test_embeddings_are_computed_once_and_used_again_by_the_same_weights_only(source, tmp_path):
    out = tmp_path / "evaluation"
    options = {**sets(source), "out": out, "few": None, "fine_tune": False, "seeds": (0,), **QUIET}
    first = judge_encoders({"one": encoder(0)}, **options)
    file = tmp_path / "embeddings" / "one" / "test.h5"
    stamp = file.stat().st_mtime_ns
    assert judge_encoders({"one": encoder(0)}, **options) == first
    assert file.stat().st_mtime_ns == stamp
    judge_encoders({"one": encoder(5)}, **options)
    assert file.stat().st_mtime_ns != stamp


def test_patients_on_both_sides_are_refused(source, tmp_path):
    data = Samples(source=source, view=Pictures(size=16, channels=1))
    with pytest.raises(DataError, match="in the test set and among those to learn from"):
        judge_encoders({"one": encoder()}, train=data, test=data, out=tmp_path / "evaluation", few=2, **QUIET)


def test_an_encoder_must_not_be_named_like_a_baseline(source, tmp_path):
    with pytest.raises(ValueError, match="other names"):
        judge_encoders({"raw pixels": encoder()}, **sets(source), out=tmp_path)


def test_paired_differences_are_means_over_fits_then_over_patients():
    samples = Labelled(labels=np.array([0, 0, 0, 0]), classes=["a", "b"], names=[{}] * 4, groups=np.array(list("ppqr")))
    right, wrong = np.array([0.9, 0.1]), np.array([0.1, 0.9])

    def fits(*each):
        return [Fit(seed=i, fold=0, samples=np.arange(4), probabilities=np.stack(rows)) for i, rows in enumerate(each)]

    first = fits([right, wrong, wrong, wrong], [right, right, wrong, wrong])  # 1, 0.5, 0, 0
    second = fits([right, right, right, wrong], [right, right, wrong, wrong])  # 1, 1, 0.5, 0
    (row,) = paired_rows("t", {"x, knn": first, "y, knn": second}, samples)
    assert (row["a"], row["b"], row["classifier"], row["n"]) == ("x", "y", "knn", 3)
    assert row["accuracy_a"] == pytest.approx(0.75 / 3)
    assert row["b_minus_a"] == pytest.approx((0.25 + 0.5 + 0) / 3)


def test_too_few_labels_of_a_class_are_told_before_anything_is_trained(source, tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("features were computed for a contest that cannot be held")

    monkeypatch.setattr(protocol, "embedded", refuse)
    with pytest.raises(DataError, match="samples of class"):
        judge_encoders({"one": encoder()}, **sets(source), out=tmp_path / "evaluation", few=60, **QUIET)


def test_random_weights_are_others_in_every_repetition(judged):
    out, _ = judged
    fits = list(csv.DictReader((out / "protocol" / "all_labels" / "few_labels" / "fits.csv").open()))
    for classifier in ("nearest neighbours", "logistic regression"):  # nothing else of these depends on the seed
        figures = {
            name: {
                tuple(row[m] for m in ("auroc", "accuracy"))
                for row in fits
                if row["contender"] == f"{name}, {classifier}"
            }
            for name in ("untrained", "one")
        }
        assert len(figures["one"]) == 1
    assert len(figures["untrained"]) == 2
