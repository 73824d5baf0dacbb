"""AV-MAE: flax files of google-research/scenic (projects/av_mae), pre-trained and fine-tuned, as flat tensors.

A published checkpoint is msgpack of a tree, which nothing here reads: whoever trusts it flattens it with flax
(``flax.traverse_util.flatten_dict(tree, sep="/")``) into safetensors or ``numpy.savez``. Encoders of fusion ``early``
and ``shared`` have the same names: which one it was only its configuration says.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

from medmae.weights.maps.base import QKV, Pairs
from medmae.weights.maps.flax import VIT_PARTS, FlaxMap

_NAMES = {"rgb": "image", "spectrogram": "audio"}  # theirs, ours


def _kind(theirs: str, ours: str) -> Pairs:
    return (
        (f"embedding_{theirs}.", f"encoder.streams.{ours}.patch_embed.proj."),
        (f"Transformer_{theirs}.", f"encoder.streams.{ours}."),
        (f"Encoder_modality_token_{theirs}", f"encoder.kind_tokens.{ours}"),
        (f"Decoder_modality_token_{theirs}", f"decoder.kind_tokens.{ours}"),
        (f"Decoder_{theirs}.", f"decoder.trunks.{ours}."),
        (f"decoder_projection_{theirs}.", f"decoder.entrances.{ours}.embed."),
        (f"mask_token_{theirs}", f"decoder.entrances.{ours}.mask_token"),
        (f"output_projection_{theirs}.", f"heads.{ours}."),
    )


AV_MAE = FlaxMap(
    source="google-research/scenic, av_mae",
    parts=VIT_PARTS,
    prefixes=(
        *(pair for theirs, ours in _NAMES.items() for pair in _kind(theirs, ours)),
        ("Transformer_concat.", "encoder.trunk."),
        ("Transformer.", "encoder.trunk."),
        ("Decoder.", "decoder.trunks.all."),
    ),
    joins=QKV,
    eps=1e-6,
)


class BottleneckMap(FlaxMap):
    """Also puts blocks of sound, which stand among those of the clip, by themselves."""

    def apply(self, state: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], list[str]]:
        """See :meth:`FlaxMap.apply`."""
        block = re.compile(r"^(.*)Transformer([./]encoderblock_\d+)_spec")
        return super().apply({block.sub(r"\1Transformer_spec\2", key): value for key, value in state.items()})


AV_MAE_MBT = BottleneckMap(
    source="google-research/scenic, av_mae (fine-tuned)",
    parts=VIT_PARTS,
    prefixes=(
        ("embedding_spectrogram.", "encoder.streams.audio.patch_embed.proj."),
        ("embedding_spec.", "encoder.streams.audio.patch_embed.proj."),  # of older files
        ("embedding.", "encoder.streams.image.patch_embed.proj."),
        ("Transformer_spec.", "encoder.streams.audio."),
        ("Transformer.norm.", "encoder.norm."),
        ("Transformer.", "encoder.streams.image."),
        ("bottleneck", "encoder.bottleneck"),
        ("ProjectionHeadAndClassifier_0.output_projection.", "head."),
    ),
    joins=QKV,
    eps=1e-6,
)
