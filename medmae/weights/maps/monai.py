"""MONAI's ``ViT``, ``ViTAutoEnc``, ``MaskedAutoEncoderViT`` and the ``vit`` of a ``UNETR``: their encoders."""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from torch import Tensor

from medmae.weights.maps.base import ENCODER_PREFIXES, KeyMap, Pairs

PREFIXES: Pairs = (
    ("patch_embedding.patch_embeddings.", "patch_embed.proj."),
    ("patch_embedding.position_embeddings", "pos_embed"),
)
PARTS: Pairs = (("attn.out_proj", "attn.proj"), ("mlp.linear1", "mlp.fc1"), ("mlp.linear2", "mlp.fc2"))
_ENCODER: Pairs = (*((theirs, f"encoder.{ours}") for theirs, ours in PREFIXES), *ENCODER_PREFIXES)


class MONAIMap(KeyMap):
    """Also adds what MONAI's network has as nothing: a position of the class token, biases of queries, keys, values.

    Zeros in their place are exact. The last norm of a ``MaskedAutoEncoderViT`` is called as a block of its own.
    """

    def apply(self, state: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], list[str]]:
        """Renamed state, and the keys that were dropped."""
        named = {re.sub(r"(^|\.)blocks\.\d+\.(weight|bias)$", r"\1norm.\2", key): value for key, value in state.items()}
        renamed, dead = super().apply(named)
        table = renamed.get("encoder.pos_embed")
        if "encoder.cls_token" in renamed and table is not None:
            renamed["encoder.pos_embed"] = torch.cat([torch.zeros_like(table[:, :1]), table], dim=1)  # (1, 1 + N, D)
        for key in [key for key in renamed if key.endswith("attn.qkv.weight")]:
            renamed.setdefault(key.removesuffix("weight") + "bias", renamed[key].new_zeros(len(renamed[key])))
        return renamed, dead


MONAI = MONAIMap(
    source="MONAI ViT",
    prefixes=(*((f"vit.{theirs}", ours) for theirs, ours in _ENCODER), *_ENCODER),
    dead=("classification_head.",),
    computed=("norm_cross_attn.weight", "norm_cross_attn.bias"),
    parts=PARTS,
    eps=1e-5,
)
