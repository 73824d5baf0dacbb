"""Files of ME-GraphAU, OpenGraphAU and masked autoencoders of faces, in their layouts."""

from __future__ import annotations

import re

import pytest
import torch

from medmae.methods.action_units import ActionUnits
from medmae.methods.mae import mae_tiny
from medmae.nn.au_network import resnet50, swin_tiny, unit_network, vit_small_faces
from medmae.nn.vit import MaskedViT
from medmae.weights.io import import_state
from medmae.weights.maps.occlusion_au import FACE_MAE, UNIT_TEACHER, UNIT_VIT

_LAYER = {"end": "A", "start": "B", "edge": "E", "own": "U", "other": "V", "node_norm": "bnv", "edge_norm": "bne"}


def theirs(key):
    """A key of ours as ME-GraphAU calls it; written by hand, not with the map."""
    if (part := re.fullmatch(r"encoder\.model\.layers\.(\d+)(\.downsample.*)", key)) is not None:
        return f"module.backbone.layers.{int(part[1]) - 1}{part[2]}"
    if (part := re.fullmatch(r"head\.layers\.(\d)\.(\w+)\.(.*)", key)) is not None:
        return f"module.head.gnn.{_LAYER[part[2]]}{int(part[1]) + 1}.{part[3]}"
    if (part := re.fullmatch(r"(?:mapper|head\.units\.(\d+))\.(linear|norm)\.(.*)", key)) is not None:
        stem = "global_linear" if part[1] is None else f"head.class_linears.{part[1]}"
        return f"module.{stem}.{'fc' if part[2] == 'linear' else 'bn'}.{part[3]}"
    for ours, other in (
        ("encoder.model.", "backbone."),
        ("encoder.", "backbone."),
        ("head.prototypes", "head.sc"),
        ("head.relation.", "head.edge_fc."),
        ("head.neighbours.own.", "head.gnn.U."),
        ("head.neighbours.other.", "head.gnn.V."),
        ("head.neighbours.norm.", "head.gnn.bnv."),
        ("head.extractor.project.", "head.edge_extractor.edge_proj."),
        ("head.extractor.norm.", "head.edge_extractor.bn."),
        ("head.extractor.face.", "head.edge_extractor.FAM.linear_"),
        ("head.extractor.pair.", "head.edge_extractor.ARM.linear_"),
    ):
        if key.startswith(ours):
            rest = key.removeprefix(ours)
            rest = rest[0] + rest[rest.index(".") :] if other.endswith("linear_") else rest
            return f"module.{other}{rest}"
    raise AssertionError(key)


def published(network):
    return {theirs(key): torch.rand(value.shape).to(value.dtype) for key, value in network.state_dict().items()}


@pytest.mark.parametrize("edges", [True, False])
@pytest.mark.parametrize("make", [swin_tiny, resnet50])
def test_a_published_teacher_is_taken_whole(make, edges):
    with torch.device("meta"):
        network = make(units=3, edges=edges, neighbours=2)
    network = network.to_empty(device="cpu")
    state = published(network)
    buffers = {"module.backbone.layers.0.blocks.1.attn_mask": torch.zeros(64, 49, 49)}
    buffers["module.backbone.layers.0.blocks.0.attn.relative_position_index"] = torch.zeros(49, 49)
    found, dead = UNIT_TEACHER.apply({**state, **buffers})
    assert sorted(dead) == sorted(key.removeprefix("module.") for key in buffers)
    network.load_state_dict(found)
    assert all(torch.equal(state[theirs(key)], value) for key, value in network.state_dict().items())


def test_sided_units_are_reported_and_not_taken():
    network = vit_small_faces(units=4, dim=16, image_size=32)
    state = {key.replace("class_linears", "main_class_linears"): value for key, value in published(network).items()}
    state["module.head.main_sc"] = state.pop("module.head.sc")
    state["module.head.sub_sc"] = torch.rand(14, 16)
    found, dead = UNIT_VIT.apply(state)
    assert dead == ["head.sub_sc"]
    network.load_state_dict(found)


def test_import_is_strict():
    network = vit_small_faces(units=3, dim=16, image_size=32)
    method = ActionUnits(network=network, names=("AU1", "AU2", "AU4"))
    state = published(network)
    import_state(method.network, state, key_map=UNIT_VIT)
    state.pop("module.head.sc")
    with pytest.raises(Exception, match="prototypes"):
        import_state(method.network, state, key_map=UNIT_VIT)


def test_an_autoencoder_of_faces_is_that_of_images():
    method = mae_tiny()
    layout = {}
    for key, value in method.state_dict().items():
        name = key.removeprefix("encoder.")
        name = re.sub(r"^decoder\.(blocks|embed)", r"decoder_\1", name)
        name = name.replace("decoder.pos_embed", "decoder_pos_embed").replace("decoder.mask_token", "mask_token")
        name = name.replace("head.norm", "decoder_norm").replace("head.pred", "decoder_pred")
        layout[name] = torch.rand(value.shape).to(value.dtype)
    layout["ID_head.weight"] = torch.rand(3, 48)
    found, dead = FACE_MAE.apply(layout)
    assert dead == ["ID_head.weight"]
    method.load_state_dict(found)


def test_a_student_s_encoder_takes_them():
    network = unit_network(
        encoder=MaskedViT(image_size=32, patch_size=8, embed_dim=48, depth=1, num_heads=4), units=2, dim=16
    )
    state = {key.replace("encoder.", ""): value for key, value in network.encoder.state_dict().items()}
    found, _ = FACE_MAE.apply(state)
    network.encoder.load_state_dict({key.removeprefix("encoder."): value for key, value in found.items()})
