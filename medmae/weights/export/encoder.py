"""The encoder by itself, under our keys: without what pre-training alone needs."""

from __future__ import annotations

from pathlib import Path

from medmae.nn.vit import MaskedViT
from medmae.weights.export.target import Target, Written
from medmae.weights.io import save_safetensors
from medmae.weights.unseen import header


def _write(encoder: MaskedViT, out: Path) -> Written:
    digest = save_safetensors(encoder.state_dict(), out, metadata=header(encoder))
    return digest, "medmae.weights.pretrained.load_encoder reads it"


ENCODER = Target("encoder", _write, suffixes=(".safetensors",), scaled=True)
