"""MAE3D's files: Jinec98/MAE3D, whole (DataParallel's ``module.`` before each key)."""

from __future__ import annotations

from medmae.weights.maps.base import KeyMap

_BLOCKS = (
    (".0.norm.", ".norm1."),
    (".0.net.to_qkv.", ".attn.qkv."),
    (".0.net.out.0.", ".attn.proj."),
    (".1.norm.", ".norm2."),
    (".1.net.net.0.", ".mlp.fc1."),
    (".1.net.net.3.", ".mlp.fc2."),
)


def _features(theirs: str, ours: str) -> tuple[tuple[str, str], ...]:
    layers = range(1, 5)
    return (
        *((f"{theirs}conv{number}.0.", f"{ours}edges.{number - 1}.conv.") for number in layers),
        *((f"{theirs}bn{number}.", f"{ours}edges.{number - 1}.norm.") for number in layers),
        (f"{theirs}conv5.0.", f"{ours}conv."),
        (f"{theirs}bn5.", f"{ours}norm."),
    )


# Each batch norm is there twice, by its own name and within its layer; the second is left out.
MAE3D = KeyMap(
    source="Jinec98/MAE3D",
    parts=_BLOCKS,
    prefixes=(
        *_features("encoder.patch_embed.", "encoder."),
        ("encoder.transformer.layers.", "blocks.inner.blocks."),
        ("encoder.cls_token", "blocks.cls_token"),
        ("cls_token_encoder", "blocks.cls_place"),
        ("decoder.transformer.layers.", "decoder.inner.blocks."),
        ("cls_token_decoder", "decoder.cls_place"),
        ("pos_embed_encoder.0.", "place.mlp.fc1."),
        ("pos_embed_encoder.2.", "place.mlp.fc2."),
        ("pos_embed_decoder.0.", "decoder_place.mlp.fc1."),
        ("pos_embed_decoder.2.", "decoder_place.mlp.fc2."),
        ("token_init", "mask_token"),
        ("encoder_to_decoder.", "bridge."),
        ("mlp_center.", "center_head."),
        ("mlp_folding.", "folding.layers."),
    ),
    dead=tuple(f"encoder.patch_embed.conv{number}.1." for number in range(1, 6)),
)

MAE3D_CLASSIFIER = KeyMap(
    source="Jinec98/MAE3D (classifier)",
    prefixes=(
        *_features("patch_embed.", "encoder."),
        ("head_projection.bn6.", "norm1."),
        ("head_projection.bn7.", "norm2."),
        ("head_projection.", ""),
    ),
    dead=tuple(f"patch_embed.conv{number}.1." for number in range(1, 6)),
)
