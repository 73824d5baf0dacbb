"""VideoMAE: files of MCG-NJU (218 entries at Small and Base; classifiers 162) and of Hugging Face, whole or encoder.

Queries and values have biases of their own, and keys have none, here as there; position tables are in no file.
"""

from medmae.kinds import SCALES
from medmae.weights.maps.base import ENCODER_PREFIXES, QKV, TwoWayMap

_SCALE = SCALES["imagenet"]

BIASES = (("attn.q_bias", "attn.qkv.q_bias"), ("attn.v_bias", "attn.qkv.v_bias"))
DECODER = (
    ("encoder_to_decoder.", "decoder.embed."),
    ("mask_token", "decoder.mask_token"),
    ("decoder.norm.", "head.norm."),
    ("decoder.head.", "head.pred."),
)

VIDEOMAE = TwoWayMap(source="MCG-NJU/VideoMAE", parts=BIASES, prefixes=DECODER, scale=_SCALE)

# fc_norm.* and head.* keep their names; the encoder's own norm is in no such file.
VIDEOMAE_CLASSIFIER = TwoWayMap(
    source="MCG-NJU/VideoMAE (classifier)", parts=BIASES, prefixes=ENCODER_PREFIXES, scale=_SCALE
)


def _encoder(root: str) -> tuple[tuple[str, str], ...]:
    return (
        (f"{root}embeddings.patch_embeddings.projection.", "encoder.patch_embed.proj."),
        (f"{root}encoder.layer.", "encoder.blocks."),
        (f"{root}layernorm.", "encoder.norm."),
    )


# VideoMAEForPreTraining, VideoMAEForVideoClassification and VideoMAEModel alike.
VIDEOMAE_HF = TwoWayMap(
    source="Hugging Face VideoMAE",
    parts=(
        ("attention.attention.query.bias", "attn.qkv.q_bias"),
        ("attention.attention.value.bias", "attn.qkv.v_bias"),
        ("attention.attention.q_bias", "attn.qkv.q_bias"),  # of older releases
        ("attention.attention.v_bias", "attn.qkv.v_bias"),
        *((f"attention.attention.{name}.weight", f"attn.{name[0]}.weight") for name in ("query", "key", "value")),
        ("attention.output.dense", "attn.proj"),
        ("intermediate.dense", "mlp.fc1"),
        ("output.dense", "mlp.fc2"),
        ("layernorm_before", "norm1"),
        ("layernorm_after", "norm2"),
    ),
    prefixes=(
        *_encoder("videomae."),
        *_encoder(""),
        *DECODER,
        ("decoder.decoder_layers.", "decoder.blocks."),
        ("classifier.", "head."),
    ),
    joins=QKV[:1],
    scale=_SCALE,
)
