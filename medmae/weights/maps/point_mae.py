"""Point-MAE's files: Pang-Yatian/Point-MAE, pre-trained (``base_model``) and fine-tuned."""

from __future__ import annotations

from medmae.weights.maps.base import KeyMap


def _embedding(theirs: str, ours: str) -> tuple[tuple[str, str], ...]:
    return (
        (f"{theirs}encoder.first_conv.", f"{ours}embed.first."),
        (f"{theirs}encoder.second_conv.", f"{ours}embed.second."),
        (f"{theirs}pos_embed.0.", f"{ours}place.mlp.fc1."),
        (f"{theirs}pos_embed.2.", f"{ours}place.mlp.fc2."),
        (f"{theirs}blocks.blocks.", f"{ours}blocks.blocks."),
        (f"{theirs}norm.", f"{ours}norm."),
    )


POINT_MAE = KeyMap(
    source="Pang-Yatian/Point-MAE",
    prefixes=(
        *_embedding("MAE_encoder.", "encoder."),
        ("MAE_decoder.norm.", "norm."),
        ("MAE_decoder.", "decoder."),
        ("decoder_pos_embed.0.", "decoder_place.mlp.fc1."),
        ("decoder_pos_embed.2.", "decoder_place.mlp.fc2."),
        ("increase_dim.0.", "head."),
        ("mask_token", "mask_token"),
    ),
)

POINT_MAE_CLASSIFIER = KeyMap(
    source="Pang-Yatian/Point-MAE (classifier)",
    prefixes=(
        *_embedding("", "encoder."),
        ("cls_head_finetune.", "head."),
        ("cls_pos", "cls_place"),
        ("cls_token", "cls_token"),
    ),
)
