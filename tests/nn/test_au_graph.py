"""Networks of action units: counts of the published ones, and what their parts promise."""

from __future__ import annotations

import pytest
import torch

from medmae.nn.au_graph import NeighbourGraph, UnitHead
from medmae.nn.au_network import (
    resnet50,
    swin_base,
    swin_tiny,
    tokens_of,
    unit_network,
    vit_base,
    vit_small_faces,
)
from medmae.nn.config import build, config_of
from medmae.nn.timm_tokens import TimmTokens


@pytest.mark.parametrize(
    ("make", "options", "count"),
    [
        (resnet50, {"edges": False}, 28_253_784),
        (resnet50, {}, 31_666_132),
        (resnet50, {"units": 8, "edges": False, "neighbours": 3}, 27_197_008),
        (resnet50, {"units": 8}, 30_608_868),
        (swin_tiny, {"edges": False}, 29_899_026),
        (swin_tiny, {}, 31_819_534),
        (swin_base, {"edges": False}, 90_964_688),
        (swin_base, {}, 94_377_036),
        (swin_base, {"units": 8, "edges": False}, 89_907_912),
        (swin_base, {"units": 8}, 93_319_772),
        (vit_base, {}, 93_301_396),
        (vit_base, {"units": 8}, 92_244_132),
    ],
)
def test_published_networks_have_their_counts(make, options, count):
    with torch.device("meta"):
        network = make(**options)
    assert sum(parameter.numel() for parameter in network.parameters()) == count


@pytest.mark.parametrize(("units", "count"), [(12, 7_107_988), (8, 6_050_724)])
def test_a_head_has_its_count(units, count):
    with torch.device("meta"):
        head = UnitHead(units=units, dim=512)
    assert sum(parameter.numel() for parameter in head.parameters()) == count


def test_a_unit_is_told_of_the_nearest_others_and_of_all_that_are_as_near():
    graph = NeighbourGraph(units=4, dim=2, neighbours=2)
    nodes = torch.tensor([[[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]]])
    linked = graph.adjacency(nodes) > 0
    assert linked[0].tolist() == [[True, True, False, False]] * 2 + [[False, False, True, True]] * 2
    assert graph.adjacency(torch.ones(1, 4, 2)).tolist() == [[[0.25] * 4] * 4]


def test_more_neighbours_than_units_are_refused():
    with pytest.raises(ValueError, match="3 units cannot be told of 4 neighbours"):
        UnitHead(units=3, dim=8, edges=False, neighbours=4)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["resnet50", "swin_tiny_patch4_window7_224"])
def test_backbones_of_timm_give_tokens_and_are_encoders(name):
    torch.manual_seed(0)
    encoder = TimmTokens(name=name, image_size=64 if name == "resnet50" else 224).eval()
    data = torch.rand(1, *encoder.example)
    tokens = encoder.tokens(data)
    assert tokens.shape == (1, encoder.example[1] ** 2 // 32**2, encoder.dim)
    torch.testing.assert_close(encoder.features(data), tokens.mean(dim=1))
    named = [id(parameter) for layer in encoder.layers() for parameter in layer]
    assert len(named) == len(set(named))
    assert len(encoder.layers()) == 5
    with pytest.raises(ValueError, match="takes whole faces"):
        tokens_of(encoder, data, torch.zeros(1, 3, dtype=torch.long))


def test_another_backbone_is_refused():
    with pytest.raises(ValueError, match="vgg19"):
        TimmTokens(name="vgg19")


def test_a_network_is_built_again_from_what_its_header_says():
    network = vit_small_faces(units=3, dim=16, image_size=32)
    again = build(config_of(network))
    again.load_state_dict(network.state_dict())
    face = torch.rand(2, 3, 32, 32)
    torch.testing.assert_close(again.eval()(face).units, network.eval()(face).units)


def test_widths_follow_the_published_rule():
    with torch.device("meta"):
        assert unit_network(encoder=TimmTokens(name="resnet50"), units=2).head.dim == 512
        assert unit_network(encoder=TimmTokens(name="swin_tiny_patch4_window7_224"), units=2).head.dim == 384


def test_units_that_ask_read_no_padding_and_say_what_they_read():
    torch.manual_seed(0)
    head = UnitHead(units=3, dim=16, queries=4).eval()
    tokens, keys = torch.rand(2, 7, 16), torch.ones(2, 7, dtype=torch.bool)
    keys[1, 4:] = False
    shares = head.asking.shares(tokens, keys)
    assert shares.shape == (2, 3, 7)
    torch.testing.assert_close(shares.sum(dim=2), torch.ones(2, 3))
    assert not shares[1, :, 4:].any()
    alone = head(tokens[1:, :4])
    together = head(tokens, keys)
    torch.testing.assert_close(together.nodes[1:], alone.nodes)
    torch.testing.assert_close(together.edges[1:], alone.edges)


def test_edges_of_units_that_ask_depend_on_both_of_their_units():
    torch.manual_seed(0)
    head = UnitHead(units=2, dim=16, queries=4).eval()
    tokens = torch.rand(1, 7, 16)
    before = head(tokens).plain_edges[0].unflatten(0, (2, 2))  # (end, start, C)
    with torch.no_grad():
        head.asking.query_token[1] += torch.randn(4, 16)
    moved = (head(tokens).plain_edges[0].unflatten(0, (2, 2)) - before).abs().amax(dim=2) > 1e-6
    assert moved.tolist() == [[False, True], [True, True]]


def test_a_unit_without_a_query_is_refused():
    with pytest.raises(ValueError, match="at least one query"):
        UnitHead(units=2, dim=16, queries=-1)
