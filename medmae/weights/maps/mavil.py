"""MAViL's files, as roger-tseng/av-superb reads them: pre-trained, and fine-tuned on both kinds."""

from __future__ import annotations

from medmae.weights.maps.base import KeyMap

_AUDIO, _VIDEO = "encoder.streams.audio.", "encoder.streams.image."

MAVIL = KeyMap(
    source="MAViL (roger-tseng/av-superb)",
    prefixes=(
        ("patch_embed_v.", f"{_VIDEO}patch_embed."),
        ("cls_token_v", f"{_VIDEO}cls_token"),
        ("pos_embed_v", f"{_VIDEO}pos_embed"),
        ("blocks_v.", f"{_VIDEO}blocks."),
        ("blocks_av.", "encoder.trunk.blocks."),
        ("patch_embed.", f"{_AUDIO}patch_embed."),
        ("cls_token", f"{_AUDIO}cls_token"),
        ("pos_embed", f"{_AUDIO}pos_embed"),
        ("blocks.", f"{_AUDIO}blocks."),
        ("fc_norm_av.", "norm."),
        ("head_av.", "head."),
    ),
    # Of its decoders, which are in no public file.
    dead=("mask_token", "mask_token_v", "norm.", "norm_v.", "decoder"),
)
