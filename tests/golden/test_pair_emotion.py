"""Pairwise contrast gives the numbers of the authors' code: networks, adjacency, loss."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations

import pytest
import torch

from medmae.nn.graph_time import GraphTimeNet, normalised_adjacency
from medmae.nn.landmarks import FACE_EDGES
from medmae.nn.temporal_conv import TemporalConvNet
from medmae.objectives.pairwise import pair_contrast
from medmae.weights.maps.pair_emotion import PAIR_EMOTION


@pytest.fixture(scope="module")
def reference(golden):
    return replace(golden("pair_emotion"), share=1e-5)


@pytest.fixture
def points(reference):
    """Of each kind, two windows: ``(B, 2, D)``."""
    return [torch.stack([reference[f"in.z_view{window}_mod{kind}"] for window in (1, 2)], dim=1) for kind in range(4)]


def loaded(network, name, state):
    """With what their whole file would hold of it."""
    part = {"audio_encoder": "audio", "stgcn": "landmarks"}[name]
    found, dead = PAIR_EMOTION.apply({f"{name}.{key}": value for key, value in state.items()})
    assert dead == []
    network.load_state_dict({key.removeprefix(f"encoder.parts.{part}."): value for key, value in found.items()})
    return network.eval()


def test_sound_is_encoded_as_theirs(reference):
    network = TemporalConvNet(bins=16, dim=24, channels=8, hidden=12, blocks=3)
    loaded(network, "audio_encoder", reference.part("state.tcn."))
    reference.compare(network.features({"audio": reference["in.tcn_x"].unsqueeze(1)}), reference["out.tcn"])


def test_landmarks_are_encoded_as_theirs(reference):
    network = loaded(GraphTimeNet(dim=8, node_dim=6), "stgcn", reference.part("state.stgcn."))
    landmarks = reference["in.stgcn_x"].permute(0, 3, 1, 2)  # (B, 2, T, J)
    reference.compare(network.features({"landmarks": landmarks}), reference["out.stgcn"])


def test_neighbours_of_landmarks_are_theirs(reference):
    reference.compare(normalised_adjacency(51, FACE_EDGES, loops=2), reference["out.adj_normalised"])


@pytest.mark.parametrize(("release", "name", "total"), [(True, "", 2.5192149), (False, "_sane", 5.3381348)])
def test_the_contrast_of_every_pair_is_theirs(release, name, total, reference, points):
    found = torch.zeros(4, 4)
    for one, other in permutations(range(4), 2):
        found[one, other] = pair_contrast(points[one], points[other], temperature=0.07, release=release)[0]
    off = ~torch.eye(4, dtype=torch.bool)
    reference.compare(found[off], reference[f"out.pair_loss{name}"][off])
    assert found[off].mean().item() == pytest.approx(total, rel=1e-5)
    if release:
        assert found[0, 1].item() == pytest.approx(1.8329216, rel=1e-5)
        assert found[1, 0].item() == pytest.approx(1.9109287, rel=1e-5)
