"""maoyunyao/MAMP: its plain autoencoder, MAMP's own files, classifiers; and STTFormer's classifier."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from medmae.weights.maps.base import KeyMap

_PLACES = (("", "encoder.pos_embed"), ("decoder_", "decoder.pos_embed"))


class SkeletonMap(KeyMap):
    """Also joins rows of moments and of joints to one table."""

    def apply(self, state: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], list[str]]:
        """See :meth:`KeyMap.apply`."""
        rest, joined = {self._bare(key): value for key, value in state.items()}, {}
        for theirs, ours in _PLACES:
            pair = (f"{theirs}temp_embed", f"{theirs}pos_embed")
            if all(name in rest for name in pair):
                joined[ours] = torch.cat([rest.pop(name).flatten(1, 2) for name in pair], dim=1)
        renamed, dead = super().apply(rest)
        return {**renamed, **joined}, dead


_ENCODER = (("joints_embed.", "encoder.patch_embed."), ("blocks.", "encoder.blocks."), ("norm.", "encoder.norm."))

SKELETON_MAE = SkeletonMap(
    source="maoyunyao/MAMP",
    prefixes=(
        *_ENCODER,
        ("decoder_embed.", "decoder.embed."),
        ("mask_token", "decoder.mask_token"),
        ("decoder_blocks.", "decoder.blocks."),
        ("decoder_norm.", "head.norm."),
        ("decoder_pred.", "head.pred."),
    ),
)

SKELETON_MAE_CLASSIFIER = SkeletonMap(
    source="maoyunyao/MAMP (classifier)",
    prefixes=(
        *_ENCODER,
        ("head.fc1.", "head.0."),
        ("head.bn.", "head.1."),
        ("head.fc2.", "head.3."),
        ("head.fc.", "head."),
    ),
)

STTFORMER = KeyMap(
    source="heleiqiu/STTFormer (classifier)",
    prefixes=(("input_map.", "encoder.input_map."), ("blocks.", "encoder.blocks."), ("fc.", "head.")),
    computed=(".pes.pe",),
)
