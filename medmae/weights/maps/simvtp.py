"""SimVTP: files of the authors' code release, 227 entries at Base; fine-tuned ones have two encoders.

The part of clips is VideoMAE's layout, whose files fill it; words are BERT's.
"""

from medmae.kinds import SCALES
from medmae.weights.maps.base import TwoWayMap
from medmae.weights.maps.videomae import BIASES, DECODER

_WORDS = (
    ("text_embeddings.word_embeddings.", "encoder.words.word."),
    ("text_embeddings.position_embeddings.", "encoder.words.position."),
    ("text_embeddings.token_type_embeddings.", "encoder.words.token_type."),
    ("text_embeddings.LayerNorm.", "encoder.words.norm."),
    ("text_cls.", "word_head.pred."),
    ("vtm_head.", "matcher."),
)

SIMVTP = TwoWayMap(
    source="SimVTP (wufeim/SimVTP, code release of March 2023)",
    parts=BIASES,
    prefixes=(*_WORDS, *DECODER, ("encoder.", "encoder.video.")),
    computed=("text_embeddings.position_ids",),
    scale=SCALES["imagenet"],
)
