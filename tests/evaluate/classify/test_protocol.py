"""One protocol for any encoders and tasks: what is trained on what, what stands beside them, what is written."""

from __future__ import annotations

import csv
import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from rich.console import Console

from medmae.data import Pictures, Samples
from medmae.data.images.source import read_images
from medmae.data.labels import Labels
from medmae.data.views import About
from medmae.errors import DataError
from medmae.evaluate.classify import protocol
from medmae.evaluate.classify.labelled import Labelled
from medmae.evaluate.classify.protocol import Protocol, evaluate_encoders
from medmae.evaluate.classify.protocol_tables import paired_rows
from medmae.evaluate.classify.regression import Regression
from medmae.evaluate.classify.scores import Fit
from medmae.evaluate.classify.single_label import SingleLabel
from medmae.evaluate.features.embedding_files import read_embeddings
from medmae.evaluate.features.extractor import FeatureExtractor
from medmae.nn.vit import MaskedViT
from medmae.report import write_report

SIZES = {"image_size": 16, "patch_size": 8, "in_channels": 1, "embed_dim": 16, "depth": 1, "num_heads": 2}
QUIET = Console(quiet=True)
FROZEN = {"labels": [None], "fine_tune": False, "seeds": (0,)}


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
    options = {"source": source, "view": Pictures(size=16, channels=1)}
    return {split: Samples(**options, split=split) for split in ("train", "test")}


def encoder(seed=0, **options):
    torch.manual_seed(seed)
    return FeatureExtractor(encoder=MaskedViT(**SIZES), **options)


def evaluate(encoders, *, out, train, test=None, task=None, **options):
    how = Protocol(**{"resamples": 50, **options})
    return evaluate_encoders(encoders, train=train, test=test, task=task, out=out, protocol=how, console=QUIET)


@pytest.fixture(scope="module")
def evaluated(source, tmp_path_factory):
    out = tmp_path_factory.mktemp("run") / "evaluation"
    options = {"labels": [None, 4], "seeds": (0, 1), "tuning": {"epochs": 2, "warmup_epochs": 1, "batch_size": 16}}
    return out, evaluate({"one": encoder(0), "two": encoder(1)}, **sets(source), out=out, **options)


def test_every_encoder_meets_every_classifier_and_the_baselines_stand_beside(evaluated):
    _, record = evaluated
    assert list(record["tasks"]) == ["all labels", "4 labels a class"]
    kinds = {"nearest neighbours", "logistic regression", "linear probe", "fine-tuned"}
    for task in record["tasks"].values():
        assert {f"{name}, {kind}" for name in ("one", "two") for kind in kinds} <= set(task["scores"])
        beside = {f"untrained, {kind}" for kind in kinds - {"fine-tuned"}} | {"from scratch, fine-tuned"}
        plain = {"mean intensity, logistic regression", "same answer to all, constant"}
        plain |= {"raw pixels, nearest neighbours", "raw pixels, logistic regression"}
        assert set(task["baselines"]) == beside | plain
        assert task["unit"] == "patient"
    assert record["tasks"]["4 labels a class"]["labels"] == 8
    assert (
        record["tasks"]["all labels"]["scores"]["raw pixels, logistic regression"]["metrics"]["accuracy"]["mean"] > 0.9
    )


def test_scores_fits_and_paired_differences_are_tables(evaluated):
    out, record = evaluated
    assert json.loads((out / "protocol.json").read_text()) == record
    scores = list(csv.DictReader((out / "protocol" / "scores.csv").open()))
    assert {row["fits"] for row in scores} == {"2"}
    assert len(scores) == 2 * 16 * 4
    paired = list(csv.DictReader((out / "protocol" / "paired.csv").open()))
    assert {(row["a"], row["b"]) for row in paired if row["classifier"] == "fine-tuned"} == {
        ("one", "two"), ("one", "from scratch"), ("two", "from scratch")
    }  # fmt: skip
    assert (out / "protocol" / "all_labels" / "predictions.csv").is_file()
    assert (out / "embedding_map.json").is_file()


def test_embeddings_are_computed_once_and_used_again_by_the_same_weights_only(source, tmp_path):
    options = {**sets(source), "out": tmp_path / "evaluation", **FROZEN}
    first = evaluate({"one": encoder(0)}, **options)
    file = tmp_path / "embeddings" / "one" / "test.h5"
    stamp = file.stat().st_mtime_ns
    assert evaluate({"one": encoder(0)}, **options) == first
    assert file.stat().st_mtime_ns == stamp
    evaluate({"one": encoder(5)}, **options)
    assert file.stat().st_mtime_ns != stamp


def test_patients_on_both_sides_are_refused(source, tmp_path):
    data = Samples(source=source, view=Pictures(size=16, channels=1))
    with pytest.raises(DataError, match="in the test set and among those to learn from"):
        evaluate({"one": encoder()}, train=data, test=data, out=tmp_path / "evaluation")


@pytest.mark.parametrize("name", ["raw pixels", "untrained", "same answer to all"])
def test_an_encoder_must_not_be_named_like_a_baseline(source, tmp_path, name):
    with pytest.raises(ValueError, match="other names"):
        evaluate({name: encoder()}, **sets(source), out=tmp_path)


def test_without_a_test_set_folds_of_patients_are_tested_together(source, tmp_path):
    data = Samples(source=source, view=Pictures(size=16, channels=1), split=None)
    record = evaluate({"one": encoder()}, train=data, out=tmp_path / "evaluation", folds=4, **FROZEN)
    (found,) = record["tasks"].values()
    assert found["pooled"]
    assert found["scores"]["one, logistic regression"]["metrics"]["accuracy"]["n_units"] == 8
    assert {row["n"] for row in record["paired"]} == {8}


class Torn(Samples):
    """Some of whose samples cannot be read."""

    bad: frozenset[int] = frozenset()

    def __getitem__(self, index):
        if index in self.bad:
            raise DataError("torn", path=f"{index}.png")
        return super().__getitem__(index)


def numbers(source, *bad):
    """The same images, of which the brightness on the right is to be told."""
    table = read_images(source)
    values = np.array([table.read(n)[:, 8:].mean() for n in range(len(table))], dtype=np.float32)[:, None]
    table = replace(table, targets=Labels(task="regression", names=("brightness",), values=values))
    view = Pictures(size=16, channels=1)
    found = {split: Torn(source=table, view=view, split=split) for split in ("train", "test")}
    found["train"].bad = frozenset(bad)
    return found


def test_numbers_are_evaluated_by_the_same_protocol_and_shown(source, tmp_path):
    task = Regression(names=["brightness"], unit="grey levels")
    options = {"labels": [None, 20], "seeds": (0,), "tuning": {"epochs": 2, "warmup_epochs": 1}, "attentive": True}
    record = evaluate({"one": encoder()}, **numbers(source), task=task, out=tmp_path / "evaluation", **options)
    assert list(record["tasks"]) == ["all labels", "20 labels"]
    scores = record["tasks"]["all labels"]["scores"]
    kinds = {"nearest neighbours", "ridge regression", "attentive probe", "fine-tuned"}
    assert {name.rpartition(", ")[2] for name in scores if name.startswith("one")} == kinds
    assert scores["mean intensity, ridge regression"]["metrics"]["r"]["mean"] > 0.9
    assert scores["same answer to all, constant"]["metrics"]["r"]["mean"] is None
    assert scores["one, ridge regression"]["gains"]["mae"]["over"] in record["tasks"]["all labels"]["baselines"]
    (tmp_path / "run.json").write_text("{}")
    page = write_report(tmp_path).read_text()
    assert "MAE, all labels" in page
    assert "mean absolute error, in grey levels" in page
    assert "brightness" in page


def without_values(sets, *missing):
    """The same, of which some have no value; numbers are those of the table."""
    for split, some in sets.items():
        values = some.source.targets.values.copy()
        values[list(missing)] = np.nan
        table = replace(some.source, targets=replace(some.source.targets, values=values))
        sets[split] = Torn(source=table, view=some.view, split=split)
    return sets


def test_a_sample_without_a_value_is_left_out_and_counted_never_a_number(source, tmp_path):
    sets = numbers(source)
    places = [sets[split].item(0).numbers[0] for split in ("train", "test")]
    with pytest.warns(UserWarning, match=f"2 of {len(sets['train']) + len(sets['test'])} images have no value"):
        record = evaluate({"one": encoder()}, **without_values(sets, *places), out=tmp_path / "evaluation", **FROZEN)
    found = record["tasks"]["all labels"]
    assert found["unlabelled"] == 2
    assert found["labels"] == len(sets["train"]) - 1
    for name, scores in found["scores"].items():
        assert np.isfinite(scores["metrics"]["mae"]["mean"]), name
    everyone = range(len(sets["train"].source))
    with pytest.raises(DataError, match="no image to learn from has a value"):
        evaluate({"one": encoder()}, **without_values(numbers(source), *everyone), out=tmp_path / "x", **FROZEN)


def test_what_cannot_be_read_is_left_out_for_all_alike_and_listed(source, tmp_path):
    out = tmp_path / "evaluation"
    with pytest.warns(UserWarning, match=r"left out: 3\.png: torn"):
        record = evaluate({"one": encoder()}, **numbers(source, 3, 5), out=out, **FROZEN)
    assert record["tasks"]["all labels"]["task"]["kind"] == "regression"  # as the labels are
    assert json.loads((out / "left_out.json").read_text())["samples"] == {"3": "3.png: torn", "5": "5.png: torn"}
    whole = len(numbers(source)["train"])
    assert record["tasks"]["all labels"]["labels"] == whole - 2
    assert len(read_embeddings(tmp_path / "embeddings" / "one" / "train.h5")) == whole - 2


def test_several_views_of_a_tested_sample_are_averaged_and_said(source, tmp_path):
    class Two(Pictures):
        """Each image twice, the second one mirrored."""

        def items(self, source, places):
            return np.array([(place, view) for place in places for view in (0, 1)])

        def read(self, source, item):
            image = super().read(source, item)["image"]
            return {"image": image.flip(2) if item.numbers[1] else image}

        def describe(self, source, item):
            known = super().describe(source, item)
            return About(known.case, known.subject, place={"view": item.numbers[1]})

    plain = sets(source)
    data = {**plain, "test": Samples(source=source, view=Two(size=16, channels=1), split="test")}
    options = {"labels": [None], "seeds": (0,), "tuning": {"epochs": 1, "warmup_epochs": 0}, "attentive": True}
    record = evaluate({"one": encoder()}, **data, out=tmp_path / "evaluation", **options)
    assert record["tasks"]["all labels"]["views"] == 2
    found = read_embeddings(tmp_path / "embeddings" / "one" / "test.h5").features[0]
    image = plain["test"][0]["image"]
    np.testing.assert_allclose(
        found, encoder()(torch.stack([image, image.flip(2)])).mean(dim=0).numpy(), rtol=1e-4, atol=1e-6
    )
    (tmp_path / "run.json").write_text("{}")
    assert "means over 2 views of a sample" in write_report(tmp_path).read_text()


def test_paired_differences_are_means_over_fits_then_over_patients():
    groups, test = np.array(list("ppqr")), np.ones(4, bool)
    data = Labelled(sets=[[]], targets=np.zeros(4, int), names=[{}] * 4, groups=groups, test=test)
    right, wrong = np.array([0.9, 0.1]), np.array([0.1, 0.9])

    def fits(*each):
        return [Fit(seed=i, fold=0, samples=np.arange(4), predictions=np.stack(rows)) for i, rows in enumerate(each)]

    first = fits([right, wrong, wrong, wrong], [right, right, wrong, wrong])  # 1, 0.5, 0, 0
    second = fits([right, right, right, wrong], [right, right, wrong, wrong])  # 1, 1, 0.5, 0
    (row,) = paired_rows("t", {"x, knn": first, "y, knn": second}, data, SingleLabel(classes="ab"))
    assert (row["a"], row["b"], row["classifier"], row["n"]) == ("x", "y", "knn", 3)
    assert row["mean_a"] == pytest.approx(0.75 / 3)
    assert row["b_minus_a"] == pytest.approx((0.25 + 0.5 + 0) / 3)


def test_too_few_labels_of_a_class_are_told_before_anything_is_trained(source, tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("samples were read for an evaluation that cannot be held")

    monkeypatch.setattr(protocol, "read_all", refuse)
    with pytest.raises(DataError, match="samples of class"):
        evaluate({"one": encoder()}, **sets(source), out=tmp_path / "evaluation", labels=[None, 60])


def test_random_weights_are_others_in_every_repetition(evaluated):
    out, _ = evaluated
    fits = list(csv.DictReader((out / "protocol" / "all_labels" / "fits.csv").open()))
    for classifier in ("nearest neighbours", "logistic regression"):  # nothing else of these depends on the seed
        figures = {
            name: {
                tuple(row[m] for m in ("auroc", "accuracy"))
                for row in fits
                if (row["encoder"], row["classifier"]) == (name, classifier)
            }
            for name in ("untrained", "one")
        }
        assert len(figures["one"]) == 1
    assert len(figures["untrained"]) == 2
