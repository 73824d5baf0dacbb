"""qiy20/SAIM: pre-training files (395 entries, queries, keys and values apart) and fine-tuned classifiers."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from medmae.kinds import SCALES
from medmae.weights.maps.base import ENCODER_PREFIXES, QKV, KeyMap


class SAIMMap(KeyMap):
    """Also drops the query blocks of a network with shared weights, which are the encoder's once more."""

    def apply(self, state: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], list[str]]:
        """Renamed state, and the keys that were dropped; query blocks only if each equals its twin bit for bit."""
        twice = _second_names(state)
        renamed, dead = super().apply({key: value for key, value in state.items() if key not in twice})
        return renamed, [*dead, *twice]


def _second_names(state: Mapping[str, Tensor]) -> list[str]:
    names = [key for key in state if "query_blocks." in key]
    pairs = ((state[key], state.get(key.replace("query_blocks.", "blocks."))) for key in names)
    same = all(twin is not None and not twin.is_meta and torch.equal(value, twin) for value, twin in pairs)
    return names if same else []


SAIM = SAIMMap(
    source="qiy20/SAIM",
    scale=SCALES["imagenet"],
    prefixes=(*ENCODER_PREFIXES, ("prediction_head.", "head.")),
    computed=("gaussian_blur.weight",),
    joins=QKV,
)

# A fine-tuned or linear-probe classifier: head.* and fc_norm.* keep their names.
SAIM_CLASSIFIER = KeyMap(
    source="qiy20/SAIM (classifier)", prefixes=ENCODER_PREFIXES, scale=SCALES["imagenet"], joins=QKV
)
