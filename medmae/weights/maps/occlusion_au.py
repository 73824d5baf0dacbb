"""ME-GraphAU's files (heads, and teachers on ResNet and Swin), OpenGraphAU's, and masked autoencoders of faces.

CVI-SZU/ME-GraphAU (dda53cb), lingjivoo/OpenGraphAU, forever208/FMAE-IAT.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

from medmae.kinds import SCALES
from medmae.weights.maps.base import DECODER_PREFIXES, ENCODER_PREFIXES, KeyMap, Pairs

_READING: Pairs = (("linear_q.", "query."), ("linear_k.", "key."), ("linear_v.", "value."))
_HEAD: Pairs = (
    ("main_class_linears.", "class_linears."),
    ("main_sc", "sc"),
    *((f".{theirs}", f".{ours}") for theirs, ours in _READING),
)


def _head(theirs: str, ours: str) -> Pairs:
    layers = tuple(
        (f"{theirs}gnn.{part}{number}.", f"{ours}layers.{number - 1}.{name}.")
        for number in (1, 2)
        for part, name in (
            ("A", "end"),
            ("B", "start"),
            ("E", "edge"),
            ("U", "own"),
            ("V", "other"),
            ("bnv", "node_norm"),
            ("bne", "edge_norm"),
        )
    )
    return (
        (f"{theirs}class_linears.", f"{ours}units."),
        *layers,
        (f"{theirs}gnn.U.", f"{ours}neighbours.own."),
        (f"{theirs}gnn.V.", f"{ours}neighbours.other."),
        (f"{theirs}gnn.bnv.", f"{ours}neighbours.norm."),
        (f"{theirs}edge_extractor.FAM.", f"{ours}extractor.face."),
        (f"{theirs}edge_extractor.ARM.", f"{ours}extractor.pair."),
        (f"{theirs}edge_extractor.edge_proj.", f"{ours}extractor.project."),
        (f"{theirs}edge_extractor.bn.", f"{ours}extractor.norm."),
        (f"{theirs}edge_fc.", f"{ours}relation."),
        (f"{theirs}sc", f"{ours}prototypes"),
    )


class UnitMap(KeyMap):
    """Also names the two layers of a block of units as ours are, and Swin's merging of patches as timm does.

    Microsoft's Swin merges patches at the end of a stage, timm's at the beginning of the next. Of OpenGraphAU's sided
    units, which have no nodes of their own, nothing is taken: they are dead keys, and reported.
    """

    def apply(self, state: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], list[str]]:
        """See :meth:`KeyMap.apply`."""
        return super().apply({_renumbered(key): value for key, value in state.items()})


def _renumbered(key: str) -> str:
    key = key.removeprefix("module.")
    key = re.sub(r"(class_linears\.\d+|global_linear)\.fc\.", r"\1.linear.", key)
    key = re.sub(r"(class_linears\.\d+|global_linear)\.bn\.", r"\1.norm.", key)
    merged = re.fullmatch(r"(backbone\.layers\.)(\d+)(\.downsample\..*)", key)
    return f"{merged[1]}{int(merged[2]) + 1}{merged[3]}" if merged else key


_SIDED = ("head.sub_sc", "head.sub_class_linears.", "head.sub_", "sub_sc")

# A head alone, as a file of reference numbers has it.
UNIT_HEAD = UnitMap(source="CVI-SZU/ME-GraphAU (head)", parts=_HEAD, prefixes=_head("", ""), eps=None)

# A whole teacher: backbone, linear block, head. The last layer of a backbone of ImageNet is not read.
UNIT_TEACHER = UnitMap(
    source="CVI-SZU/ME-GraphAU, lingjivoo/OpenGraphAU",
    scale=SCALES["imagenet"],
    parts=_HEAD,
    prefixes=(("backbone.", "encoder.model."), ("global_linear.", "mapper."), *_head("head.", "head.")),
    dead=(*_SIDED, "backbone.fc.", "backbone.head."),
    computed=("attn_mask", "relative_position_index"),
)

# OpenGraphAU's student of whole faces: a ViT of MAE in place of Swin.
UNIT_VIT = UnitMap(
    source="lingjivoo/OpenGraphAU (ViT)",
    scale=SCALES["imagenet"],
    parts=_HEAD,
    prefixes=(("backbone.", "encoder."), ("global_linear.", "mapper."), *_head("head.", "head.")),
    dead=(*_SIDED, "backbone.head.", "backbone.fc_norm."),
)

# Faces' MAE: keys of MAE, with or without its decoder; identity heads of FMAE-IAT are not read.
FACE_MAE = KeyMap(
    source="forever208/FMAE-IAT",
    scale=SCALES["imagenet"],
    prefixes=(*ENCODER_PREFIXES, *DECODER_PREFIXES, ("decoder_norm.", "head.norm."), ("decoder_pred.", "head.pred.")),
    dead=("AU_head.", "ID_head.", "head.weight", "head.bias", "fc_norm."),
    rest="encoder.",
)
