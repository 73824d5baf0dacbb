"""Encoders in MONAI's UNETR: patients apart, the same start for all, Dice a patient."""

from __future__ import annotations

import csv

import numpy as np
import pytest
import torch

pytest.importorskip("einops", reason="MONAI's UNETR needs einops")

from medmae.errors import DataError
from medmae.evaluate.segmentation import evaluation as segmentation
from medmae.evaluate.segmentation.evaluation import (
    SegmentationTuning,
    dice_by_subject,
    evaluate_segmentation,
    fine_tuned,
    unetr_of,
)
from medmae.nn.vit import MaskedViT

SUBJECTS = [f"p{number // 2}" for number in range(8)]


def encoder(seed=0, **options):
    torch.manual_seed(seed)
    sizes = {"image_size": 32, "patch_size": 16, "in_channels": 1, "embed_dim": 16, "depth": 12, "num_heads": 2}
    return MaskedViT(**{**sizes, **options})


def load(numbers):
    """A bright square on dark noise, anywhere; its place is the label."""
    images, labels = torch.zeros(len(numbers), 1, 32, 32), torch.zeros(len(numbers), 32, 32, dtype=torch.long)
    for place, number in enumerate(numbers):
        generator = torch.Generator().manual_seed(number)
        images[place] = 0.3 * torch.rand(1, 32, 32, generator=generator)
        y, x = torch.randint(20, (2,), generator=generator).tolist()
        edge = 12 - 2 * (number % 2)
        images[place, :, y : y + edge, x : x + edge] += 0.6
        labels[place, y : y + edge, x : x + edge] = 1
    return images, labels


class Answer(torch.nn.Module):
    """Calls every pixel above a threshold class 1."""

    def __init__(self, threshold):
        super().__init__()
        self.threshold = torch.nn.Parameter(torch.tensor(threshold))

    def forward(self, images):
        return torch.cat([self.threshold - images, images - self.threshold], dim=1)


def test_its_transformer_gives_what_the_encoder_gives_without_class_token():
    source, images = encoder(), torch.rand(2, 1, 32, 32)
    network = unetr_of(source, num_classes=2).eval()
    torch.testing.assert_close(network.vit(images)[0], source.eval()(images, use_class_token=False))


def test_dice_is_of_all_images_of_a_patient_together():
    found = dice_by_subject(Answer(0.45), load, np.arange(4), subjects=SUBJECTS, classes=["square"])
    assert found == {("p0", "square"): (1.0, True), ("p1", "square"): (1.0, True)}
    everything = dice_by_subject(Answer(-1.0), load, np.arange(2), subjects=SUBJECTS, classes=["square", "ring"])
    assert everything[("p0", "square")] == (pytest.approx(2 * 244 / (2048 + 244)), True)
    assert np.isnan(everything[("p0", "ring")][0])
    assert not everything[("p0", "ring")][1]


@pytest.mark.slow
def test_it_learns():
    tuning = SegmentationTuning(epochs=18, warmup_epochs=2, batch_size=4, lr=5e-3, feature_size=8)
    network = fine_tuned(encoder(), load, np.arange(6), num_classes=2, seed=0, tuning=tuning)
    dice = dice_by_subject(network, load, np.arange(6, 8), subjects=SUBJECTS, classes=["square"])
    assert dice[("p3", "square")][0] > 0.7


def test_the_seed_decides_everything_and_torch_s_own_generator_is_left_alone():
    tuning, start = SegmentationTuning(epochs=1, warmup_epochs=0, feature_size=4), encoder()
    before = torch.get_rng_state()
    weights = [
        torch.cat(
            [
                p.flatten()
                for p in fine_tuned(start, load, np.arange(4), num_classes=2, seed=s, tuning=tuning).parameters()
            ]
        )
        for s in (0, 0, 1)
    ]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.slow
def test_every_patient_is_judged_once_a_seed_by_all_and_tables_say_how(tmp_path):
    tuning = SegmentationTuning(epochs=1, warmup_epochs=0, batch_size=8, feature_size=8)
    rows = evaluate_segmentation(
        {"pre": encoder()}, load=load, subjects=SUBJECTS, classes=["square"], out=tmp_path, folds=2, seeds=(0, 1),
        tuning=tuning,
    )  # fmt: skip
    assert {(row.encoder, row.seed) for row in rows} == {(n, s) for n in ("pre", "from scratch") for s in (0, 1)}
    for seed in (0, 1):
        assert sorted(r.subject for r in rows if r.encoder == "pre" and r.seed == seed) == ["p0", "p1", "p2", "p3"]
    summary = list(csv.DictReader((tmp_path / "segmentation" / "summary.csv").open()))
    assert {row["n_subjects"] for row in summary} == {"4"}
    (paired,) = [
        row for row in csv.DictReader((tmp_path / "segmentation" / "paired.csv").open()) if row["class"] == "square"
    ]
    mean = {row["encoder"]: float(row["mean"]) for row in summary if row["class"] == "square"}
    assert float(paired["b_minus_a"]) == pytest.approx(mean[paired["b"]] - mean[paired["a"]], abs=1e-6)


def test_too_few_patients_and_a_reserved_name_are_refused(tmp_path):
    options = {"load": load, "subjects": SUBJECTS, "classes": ["square"], "out": tmp_path}
    with pytest.raises(DataError, match="do not make 9 folds"):
        evaluate_segmentation({"x": encoder()}, **options, folds=9)
    with pytest.raises(ValueError, match="other names"):
        evaluate_segmentation({"from scratch": encoder()}, **options)


def test_an_encoder_that_a_unetr_cannot_hold_is_refused_with_the_reason():
    with pytest.raises(ValueError, match="12"):
        unetr_of(encoder(depth=3), num_classes=2)


def test_from_scratch_begins_with_other_weights_in_every_repetition(tmp_path, monkeypatch):
    begun = {}

    def note(encoder, load, train, *, seed, **_):
        begun.setdefault(seed, []).append(encoder.blocks[0].mlp.fc1.weight)
        return Answer(0.45)

    monkeypatch.setattr(segmentation, "fine_tuned", note)
    options = {"load": load, "subjects": SUBJECTS, "classes": ["square"], "out": tmp_path}
    evaluate_segmentation({"pre": encoder()}, **options, folds=2, seeds=(0, 1))
    assert torch.equal(begun[0][0], begun[1][0])  # the encoder that is evaluated
    assert torch.equal(begun[0][1], begun[0][3])  # from scratch, of both folds
    assert not torch.equal(begun[0][1], begun[1][1])
