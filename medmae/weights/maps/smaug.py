"""SMAUG-style files. None is published: this is how Singularity calls the same parts, whose text it reads.

The vision encoder is timm's ViT; the text that of :mod:`medmae.weights.maps.bert`, below ``text_encoder.``.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from medmae.weights.maps.base import TwoWayMap
from medmae.weights.maps.bert import BERT

_TEXT = "text_encoder."
_OURS = ("encoder.text.", "word_head.")


class SmaugMap(TwoWayMap):
    """Of text and the rest, each by rules of its own."""

    def apply(self, state: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], list[str]]:
        """See :meth:`KeyMap.apply`."""
        state = {self._bare(key): value for key, value in state.items()}
        text = {key.removeprefix(_TEXT): value for key, value in state.items() if key.startswith(_TEXT)}
        words, dead = BERT.apply(text)
        rest, others = super().apply({key: value for key, value in state.items() if not key.startswith(_TEXT)})
        return {**rest, **words}, [*others, *(_TEXT + key for key in dead)]

    def write(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """See :meth:`TwoWayMap.write`."""
        words = BERT.write({key: value for key, value in state.items() if key.startswith(_OURS)})
        rest = super().write({key: value for key, value in state.items() if not key.startswith(_OURS)})
        return {**rest, **{_TEXT + key: value for key, value in words.items()}}


SMAUG = SmaugMap(
    source="a SMAUG-style layout (Singularity's names)",
    prefixes=(
        ("vision_encoder.", "encoder.frames.picture."),
        ("temporal_embeddings", "encoder.frames.time"),
        ("frame_selector.", "encoder.selector."),
        ("mvm_decoder.norm.", "head.norm."),
        ("mvm_decoder.pred.", "head.pred."),
        ("mvm_decoder.", "decoder."),
        ("vision_proj.", "pair_head.frames."),
        ("text_proj.", "pair_head.words."),
        ("temp", "pair_head.temperature"),
        ("itm_head.", "pair_head.matcher."),
    ),
)
