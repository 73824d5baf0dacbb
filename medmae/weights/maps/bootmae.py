"""LightDXY/BootMAE: pre-training files (269 entries for Base), and fine-tuned or linear-probe classifiers."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from medmae.kinds import SCALES
from medmae.weights.maps.base import ENCODER_PREFIXES, QV_BIAS, KeyMap

_EMA = "model_ema."
_SOURCE = "LightDXY/BootMAE"


class BootMAEMap(KeyMap):
    """Also splits the decoders' fused tensors, and fills the teacher.

    Tensors of the file's ``model_ema``, put beside those of its ``model`` under keys that begin with ``model_ema.``,
    are the teacher's; without them it starts, as at the beginning of a training, as a copy of the encoder.
    """

    def apply(self, state: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], list[str]]:
        """Renamed state, and the dead keys that were dropped: all of ``model_ema`` that is not its encoder."""
        state = {key.removeprefix("module."): value for key, value in state.items()}
        own = {key: value for key, value in state.items() if not key.startswith(_EMA)}
        averaged = {key.removeprefix(_EMA): value for key, value in state.items() if key.startswith(_EMA)}
        renamed, dead = super().apply(_unfused(own))
        source, _ = super().apply(averaged) if averaged else (renamed, [])
        teacher = {_as_teacher(key): value for key, value in source.items() if key.startswith("encoder.")}
        dead += [_EMA + key for key in averaged if not str(self.rename(key)).startswith("encoder.")]
        return {**renamed, **teacher}, dead


def _as_teacher(key: str) -> str:
    return "teacher.network." + key.removeprefix("encoder.")


def _unfused(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Queries of the decoders' attention apart from keys and values, and zeros for biases of keys (see QV_BIAS)."""
    separate = {}
    for key, value in state.items():
        stem, _, ending = key.rpartition("attn.")
        if not key.startswith("decode_blocks"):
            separate[key] = value
        elif ending == "qkv.weight":
            query, rest = value.split([len(value) // 3, len(value) // 3 * 2])
            separate |= {f"{stem}attn.q.weight": query, f"{stem}attn.kv.weight": rest}
        elif ending == "q_bias":
            separate[f"{stem}attn.q.bias"] = value
        elif ending == "v_bias":
            separate[f"{stem}attn.kv.bias"] = torch.cat([torch.zeros_like(value), value])
        else:
            separate[key] = value
    return separate


BOOTMAE = BootMAEMap(
    source=_SOURCE,
    scale=SCALES["half"],
    parts=((".c_attn.", ".cross_attn."), (".norm3.", ".cross_norm."), (".norm4.", ".source_norm.")),
    prefixes=(
        *ENCODER_PREFIXES,
        ("de_pos_embed", "pixel_pos_embed"),
        ("mask_token_1", "feature_decoder.mask_token"),
        ("mask_token", "pixel_decoder.mask_token"),
        ("down_1.", "feature_decoder.embed."),
        ("down.", "pixel_decoder.embed."),
        ("decode_blocks_1.", "feature_decoder.blocks."),
        ("decode_blocks.", "pixel_decoder.blocks."),
        ("decode_norm_1.", "feature_head.norm."),
        ("decode_norm.", "pixel_head.norm."),
        ("lm_head_1.", "feature_head.pred."),
        ("lm_head.proj.", "pixel_head."),
    ),
    joins=(QV_BIAS,),
)

# fc_norm.* and head.* keep their names; decoders of a pre-training file are no part of it.
BOOTMAE_CLASSIFIER = KeyMap(
    source=f"{_SOURCE} (classifier)", prefixes=ENCODER_PREFIXES, scale=SCALES["half"], joins=(QV_BIAS,)
)
