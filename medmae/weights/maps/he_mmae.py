"""wisdomikezogwo/MMAE_Pathology (MultiMAE's layout): pre-training files (252 entries) and fine-tuned classifiers."""

from __future__ import annotations

import math
from collections.abc import Mapping

from torch import Tensor

from medmae.kinds import SCALES
from medmae.weights.maps.base import KeyMap

_NAMES = {"rgb": "rgb", "him": "h", "eim": "e"}  # theirs, ours
_DECODER = (
    ("mask_token", "mask_token"),
    ("pos_emb", "pos_embed"),
    *((f"task_embeddings.{theirs}", f"modality_embed.{ours}") for theirs, ours in _NAMES.items()),
    ("decoder.", "attn."),
    ("decoder_transformer.", "blocks."),
    ("out_proj.", "pred."),
    ("proj_context.", "embed."),
)


class MultiMAEMap(KeyMap):
    """Also turns position tables ``(1, D, h, w)`` into rows, and the order of predicted pixels into ours."""

    def apply(self, state: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], list[str]]:
        """Renamed state in our shapes and order of pixels, and the dead keys that were dropped."""
        kernels = [value for key, value in state.items() if "input_adapters." in key and key.endswith("proj.weight")]
        pixels = math.prod(kernels[0].shape[2:]) if kernels else 1  # of a patch
        return super().apply({key: _converted(key, value, pixels=pixels) for key, value in state.items()})


def _converted(key: str, value: Tensor, *, pixels: int) -> Tensor:
    if key.endswith(".pos_emb"):
        return value.flatten(2).transpose(1, 2)  # (1, h w, D)
    if key.endswith((".out_proj.weight", ".out_proj.bias")):
        return value.unflatten(0, (-1, pixels)).transpose(0, 1).flatten(0, 1)  # rows (c, p) -> (p, c)
    return value


def _decoder(theirs: str, ours: str) -> tuple[tuple[str, str], ...]:
    whole = (f"output_adapters.{theirs}.", f"decoders.{ours}.")
    return (*((whole[0] + part, whole[1] + name) for part, name in _DECODER), whole)


def _adapter(theirs: str, ours: str) -> tuple[tuple[str, str], ...]:
    whole = (f"input_adapters.{theirs}.", f"adapters.{ours}.")
    return ((f"{whole[0]}pos_emb", f"{whole[1]}pos_embed"), whole)


HE_MMAE = MultiMAEMap(
    source="wisdomikezogwo/MMAE_Pathology",
    scale=SCALES["imagenet"],
    prefixes=(
        ("global_tokens", "encoder.cls_token"),
        ("encoder.", "encoder.blocks."),
        ("input_adapters.rgb.pos_emb", "encoder.pos_embed"),
        ("input_adapters.rgb.", "encoder.patch_embed."),
        *_adapter("him", "h"),
        *_adapter("eim", "e"),
        *_decoder("rgb", "rgb"),
        *_decoder("norm_rgb", "norm_rgb"),
        *_decoder("him", "h"),
        *_decoder("eim", "e"),
        # A fine-tuned classifier, medmae.nn.heads.Classifier with pool="class_token".
        ("output_adapters.cls.norm.", "fc_norm."),
        ("output_adapters.cls.head.", "head."),
    ),
)
