"""The head, its losses and figures give the numbers of ME-GraphAU's code, and distances those of the card's spec."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from medmae.evaluate.faces.unit_scores import UnitScores
from medmae.nn.au_graph import UnitHead
from medmae.objectives.action_units import (
    distillation,
    relation_classes,
    relation_loss,
    unit_loss,
    unit_weights,
)
from medmae.weights.maps.occlusion_au import UNIT_HEAD


@pytest.fixture(scope="module")
def reference(golden):
    return golden("occlusion_au")


def head_of(reference, name, **options):
    head = UnitHead(units=5, dim=16, neighbours=3, **options)
    state, dead = UNIT_HEAD.apply(reference.part(f"state.{name}."))
    assert dead == []
    head.load_state_dict(state)
    return head.eval()


@pytest.fixture(scope="module")
def graph(reference):
    return head_of(reference, "mefl")(reference["in.features"])


def test_the_first_stage_gives_their_shares(reference):
    found = head_of(reference, "anfl", edges=False)(reference["in.features"])
    reference.compare(found.units, reference["out.anfl.prob"])
    assert found.edges is None


def test_the_second_stage_gives_their_nodes_edges_and_shares(reference, graph):
    reference.compare(graph.plain_nodes, reference["out.mefl.node_in"])
    reference.compare(graph.plain_edges, reference["out.mefl.edge_in"])
    reference.compare(graph.nodes, reference["out.mefl.node_out"])
    reference.compare(graph.edges, reference["out.mefl.edge_out"])
    reference.compare(graph.units, reference["out.mefl.prob"])
    reference.compare(graph.relations, reference["out.mefl.edge_logits"])
    assert 0 <= graph.units.min() <= graph.units.max() <= 1


def test_an_edge_is_numbered_by_its_end_then_its_start(reference, graph):
    turned = graph.edges.unflatten(1, (5, 5)).transpose(1, 2).flatten(1, 2)
    assert not torch.allclose(turned, reference["out.mefl.edge_out"], atol=1e-2)


def test_padding_changes_nothing(reference):
    head, tokens = head_of(reference, "mefl"), reference["in.features"]
    padded = torch.cat([tokens, tokens[:, :2]], dim=1)
    keys = torch.ones(2, 11, dtype=torch.bool)
    keys[:, 9:] = False
    found = head(padded, keys)
    reference.compare(found.units, reference["out.mefl.prob"])
    reference.compare(found.edges, reference["out.mefl.edge_out"])


def test_losses_and_relations_are_theirs(reference, graph):
    labels = reference["in.labels"]
    loss = unit_loss(graph.units, labels, weight=reference["in.class_weight"])
    reference.compare(loss, reference["out.wa_loss"].squeeze())
    assert torch.equal(relation_classes(labels), reference["in.relation"])
    reference.compare(relation_loss(graph.relations, labels), reference["out.edge_ce"].squeeze())


def test_distances_from_a_teacher_are_those_of_the_spec(reference):
    pairs = {
        "node": (reference["in.kd.student_node"], reference["out.mefl.node_out"]),
        "edge": (reference["in.kd.student_edge"], reference["out.mefl.edge_out"]),
    }
    for name, (found, taught) in pairs.items():
        for distance, short in (("cosine", "cos"), ("mse", "mse")):
            ours = distillation(found, taught, distance=distance)
            reference.compare(ours, reference[f"out.kd.{name}_{short}"].squeeze())


def test_weights_of_units_are_theirs(reference):
    found = torch.tensor(unit_weights(reference["in.weight.label"]), dtype=torch.float64)
    reference.compare(found, reference["out.weight"])
    assert found.mean() == pytest.approx(1)


def test_their_cosine_is_the_share(reference, graph):
    head = head_of(reference, "mefl")
    cosine = F.cosine_similarity(graph.nodes, head.prototypes.relu(), dim=2)
    assert torch.equal(graph.units, cosine.clamp(0, 1))


def test_f1_and_accuracy_are_theirs_and_a_unit_that_nobody_shows_gets_0(reference):
    names = [f"AU{number}" for number in range(5)]
    labels, shares = (reference[f"in.f1.{name}"].numpy() for name in ("label", "prob"))
    found = UnitScores(names=names).scores(labels, shares)
    reference.compare(torch.tensor([found[f"f1_{name}"] for name in names]).double(), reference["out.f1"])
    assert found["f1_AU4"] == 0
    assert found["f1"] == reference.approx(float(reference["out.f1_mean"]))
    assert found["accuracy"] == reference.approx(float(reference["out.acc"].mean()))
