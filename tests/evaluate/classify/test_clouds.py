"""Clouds of points in the one protocol: frozen and fine-tuned, beside what is said of them without a network."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from data_prep.tiny import make
from medmae.data import Clouds, Samples
from medmae.evaluate.classify.plain_features import plain_features
from medmae.evaluate.classify.point_features import coordinates, radii, radii_about_axes, volume_and_box
from medmae.evaluate.classify.protocol import Protocol, evaluate_encoders
from medmae.evaluate.features.extractor import FeatureExtractor
from medmae.methods.classification import Classification
from medmae.methods.mae3d import mae3d_tiny
from medmae.methods.point_mae import point_mae_tiny
from medmae.nn.classifiers import classifier_of
from medmae.nn.point_heads import DGCNNClassifier, PointViTClassifier
from medmae.tokens.points import POINTS


@pytest.fixture
def clouds():
    return torch.randn(3, 3, 200, generator=torch.Generator().manual_seed(0))


def test_clouds_are_described_by_where_their_points_lie_and_not_by_their_order(clouds):
    shuffled = clouds[:, :, torch.randperm(200, generator=torch.Generator().manual_seed(1))]
    for name, describe in plain_features(POINTS).items():
        assert torch.allclose(describe(clouds), describe(shuffled), atol=1e-5), name


@pytest.mark.parametrize("describe", [radii, radii_about_axes, coordinates])
def test_histograms_are_shares_and_take_no_notice_of_size_or_place(describe, clouds):
    found = describe(clouds)
    assert torch.allclose(found.unflatten(1, (-1, 16)).sum(dim=2), torch.ones(1), atol=1e-5)
    assert (describe(clouds * 3 + 5) - found).abs().sum(dim=1).max() < 0.05


def test_volume_and_box_are_those_of_a_cube_and_grow_with_it():
    corners = torch.tensor([[x, y, z] for x in (0, 2) for y in (0, 2) for z in (0, 2)], dtype=torch.float32)
    cube = corners.T.unsqueeze(0)
    assert torch.allclose(volume_and_box(cube)[0, :5], torch.tensor([8.0, 2, 2, 2, 2]))
    assert volume_and_box(cube * 2)[0, 0] == 64
    flat = cube * torch.tensor([1.0, 1, 0])[None, :, None]
    assert volume_and_box(flat)[0, 0] == 0


@pytest.mark.parametrize(("build", "head"), [(point_mae_tiny, PointViTClassifier), (mae3d_tiny, DGCNNClassifier)])
def test_encoders_of_clouds_bring_their_classifiers(build, head):
    network = classifier_of(build().encoder, num_classes=3)
    assert isinstance(network, head)
    method = Classification(network=network)
    batch = method.example_batch(4, generator=torch.Generator().manual_seed(0))
    assert method(batch).prediction["logits"].shape == (4, 3)
    assert method.encoder is network.encoder


def test_what_brings_no_classifier_is_not_fine_tuned():
    with pytest.raises(ValueError, match="a Linear is not fine-tuned here"):
        classifier_of(torch.nn.Linear(2, 2), num_classes=2)


@pytest.mark.slow
@pytest.mark.parametrize("build", [point_mae_tiny, mae3d_tiny])
def test_an_encoder_of_clouds_stands_beside_its_baselines(build, tmp_path):
    prepared, _ = make("shapes", tmp_path)
    train, test = (Samples(source=prepared, view=Clouds(), split=split) for split in ("train", "test"))
    encoder = build(num_patches=32, patch_points=64, scale={"mean": 0, "std": 20}).encoder
    how = Protocol(labels=(None,), seeds=(0,), validate=False, tuning={"epochs": 2, "warmup_epochs": 0})
    extract = FeatureExtractor(encoder=encoder, name="ours")
    found = evaluate_encoders(
        {"ours": extract}, train=train, test=test, out=tmp_path / "run" / "evaluation", protocol=how
    )
    scores = next(iter(found["tasks"].values()))["scores"]
    wanted = {"ours, fine-tuned", "from scratch, fine-tuned", "radii about axes, logistic regression"}
    assert wanted <= scores.keys(), sorted(scores)
    assert np.isfinite(scores["ours, fine-tuned"]["metrics"]["balanced_accuracy"]["mean"])
