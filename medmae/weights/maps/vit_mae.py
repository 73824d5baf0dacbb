"""Hugging Face ViTMAE (``facebook/vit-mae-*``): whole models and encoders, in files and as transformers 5 holds them.

Files have kept the older names (``encoder.layer``, ``attention.attention.query``); those are the ones written.
"""

from medmae.kinds import SCALES
from medmae.weights.maps.base import QKV, TwoWayMap


def _encoder(root: str) -> tuple[tuple[str, str], ...]:
    return (
        (f"{root}embeddings.cls_token", "encoder.cls_token"),
        (f"{root}embeddings.position_embeddings", "encoder.pos_embed"),
        (f"{root}embeddings.patch_embeddings.projection.", "encoder.patch_embed.proj."),
        (f"{root}encoder.layer.", "encoder.blocks."),
        (f"{root}layers.", "encoder.blocks."),
        (f"{root}layernorm.", "encoder.norm."),
    )


VIT_MAE = TwoWayMap(
    source="Hugging Face ViTMAE",
    scale=SCALES["imagenet"],
    parts=(
        *((f"attention.attention.{name}", f"attn.{name[0]}") for name in ("query", "key", "value")),
        *((f"attention.{name}_proj", f"attn.{name}") for name in "qkv"),
        ("attention.output.dense", "attn.proj"),
        ("attention.o_proj", "attn.proj"),
        ("intermediate.dense", "mlp.fc1"),
        ("output.dense", "mlp.fc2"),
        ("layernorm_before", "norm1"),
        ("layernorm_after", "norm2"),
    ),
    prefixes=(
        *_encoder("vit."),
        *_encoder(""),
        ("decoder.decoder_pos_embed", "decoder.pos_embed"),
        ("decoder.decoder_embed.", "decoder.embed."),
        ("decoder.decoder_layers.", "decoder.blocks."),
        ("decoder.decoder_encoder.layer.", "decoder.blocks."),  # what save_pretrained of transformers 5 makes of it
        ("decoder.decoder_norm.", "head.norm."),
        ("decoder.decoder_pred.", "head.pred."),
    ),
    dead=("classifier.", "vit.pooler.", "pooler."),
    rest="encoder.",
    joins=QKV,
)
