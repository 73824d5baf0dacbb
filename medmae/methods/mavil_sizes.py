"""Streams and sizes of MAViL's presets, and what makes CAV-MAE of it."""

from __future__ import annotations

from typing import Any

from medmae.nn.positions import ClipSinCos, SinCos
from medmae.nn.streams import ClipStream, SpectrogramStream, Stream

AUDIOSET: tuple[Stream, ...] = (
    SpectrogramStream(frames=1024, scale="audiomae", positions=SinCos()),
    ClipStream(num_frames=8, scale="imagenet", positions=ClipSinCos()),
)
OF_A_FRAME: tuple[Stream, ...] = (  # CAV-MAE's: places of sound are told with time before frequency
    SpectrogramStream(frames=1024, scale="cav_mae", positions=SinCos("first_first")),
    ClipStream(num_frames=1, tubelet_size=1, scale="imagenet", positions=ClipSinCos()),
)
SMALL_CLIPS: dict[str, Any] = {
    "streams": (
        SpectrogramStream(frames=256, bands=64, patch_size=8, positions=SinCos()),
        ClipStream(num_frames=8, image_size=64, patch_size=8, positions=ClipSinCos()),
    ),
    **{"embed_dim": 192, "depth": 6, "num_heads": 6, "decoder_dim": 96, "decoder_heads": 3},
    **{"decoder_depth": {"audio": 4, "image": 2}, "projection_dim": 192},
}
TINY: dict[str, Any] = {
    "streams": (
        SpectrogramStream(frames=64, bands=32, patch_size=8, positions=SinCos()),
        ClipStream(num_frames=4, image_size=32, patch_size=8, positions=ClipSinCos()),
    ),
    **{"embed_dim": 48, "depth": 2, "fusion_layers": 1, "num_heads": 4, "decoder_dim": 32, "decoder_heads": 2},
    **{"decoder_depth": {"audio": 2, "image": 1}, "projection_dim": 24},
}
CAV_MAE: dict[str, Any] = {
    "fusion_layers": 1,
    "class_token": "none",
    "kind_tokens": True,
    "kind_norms": True,
    "decoder": "joint",
    "mask_ratio": {"audio": 0.75, "image": 0.75},
    "inter_weight": 0.01,
    "inter_temperature": 0.05,
    "one_way": True,
    "intra_weight": 0.0,
    "projection_dim": None,
    "norm_eps": 1e-5,
}
