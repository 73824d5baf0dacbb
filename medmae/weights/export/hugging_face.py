"""A trained MAE as a folder that ``ViTMAEForPreTraining.from_pretrained`` and ``ViTMAEModel.from_pretrained`` read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol, cast

from torch import Tensor, nn

from medmae.files import write_text
from medmae.masking.random import RandomMasking
from medmae.nn.decoder import MaskedDecoder
from medmae.nn.heads import PatchHead
from medmae.nn.positions import SinCos
from medmae.nn.vit import MaskedViT
from medmae.objectives.pixel import TargetNorm
from medmae.weights.export.anatomy import Anatomy, refuse
from medmae.weights.export.mae import require_mae
from medmae.weights.export.target import Target, Written
from medmae.weights.io import State, save_safetensors
from medmae.weights.maps.vit_mae import VIT_MAE


class TrainedMAE(Protocol):
    """What an MAE is made of."""

    encoder: MaskedViT
    decoder: MaskedDecoder
    head: PatchHead
    masking: RandomMasking
    target_norm: TargetNorm | None

    def state_dict(self) -> dict[str, Tensor]:
        """All of it."""


def save_vit_mae(method: TrainedMAE, folder: str | Path) -> str:
    """Writes ``model.safetensors`` and ``config.json``; losses and predictions there equal ours.

    Args:
        method: An MAE of square pictures.
        folder: Is made if need be.

    Returns:
        sha256 of the weights.

    Raises:
        ValueError: If ViTMAE has no such network.
    """
    return save_folder(folder, config=vit_mae_config(method), state=VIT_MAE.write(method.state_dict()))


def save_folder(folder: str | Path, *, config: Mapping[str, Any], state: State) -> str:
    """Writes what ``from_pretrained`` reads: ``config.json`` and ``model.safetensors``; sha256 of the weights."""
    write_text(Path(folder) / "config.json", json.dumps(config, indent=2) + "\n")
    return save_safetensors(state, Path(folder) / "model.safetensors", metadata={"format": "pt"})


def vit_mae_config(method: TrainedMAE) -> dict[str, Any]:
    """The sizes under their names.

    Raises:
        ValueError: If ViTMAE has no such network.
    """
    sizes = Anatomy.of(method.encoder)
    refuse("Hugging Face's ViTMAE", _reasons(method, sizes))
    block: Any = method.decoder.blocks[0]
    return {
        "architectures": ["ViTMAEForPreTraining"],
        "model_type": "vit_mae",
        "image_size": sizes.size[0],
        "patch_size": sizes.patch[0],
        "num_channels": sizes.channels,
        "hidden_size": sizes.dim,
        "num_hidden_layers": sizes.depth,
        "num_attention_heads": sizes.heads,
        "intermediate_size": sizes.hidden,
        "hidden_act": "gelu",
        "layer_norm_eps": sizes.eps,
        "qkv_bias": True,
        "decoder_hidden_size": method.decoder.embed.out_features,
        "decoder_num_hidden_layers": len(method.decoder.blocks),
        "decoder_num_attention_heads": block.attn.num_heads,
        "decoder_intermediate_size": block.mlp.fc1.out_features,
        "mask_ratio": method.masking.ratio,
        "norm_pix_loss": method.target_norm is not None,
    }


def _reasons(method: TrainedMAE, sizes: Anatomy) -> Mapping[str, bool]:
    return {
        f"it is of data with {len(sizes.size)} axes, and theirs are of pictures": len(sizes.size) != 2,
        f"its pictures are {sizes.size}, and theirs are square": len(set(sizes.size)) != 1,
        f"its patches are {sizes.patch}, and theirs are square": len(set(sizes.patch)) != 1,
        f"its class token is {sizes.class_token!r}, and theirs the first": sizes.class_token != "first",
        "it has no norm after its last block": not sizes.final_norm,
        "its queries, keys and values have no biases as theirs have": sizes.qkv_bias is not True,
        "its positions are no sin-cos tables": not isinstance(sizes.positions, SinCos),
        "its decoder is not that of MAE": not isinstance(method.decoder, MaskedDecoder),
        "its target is normalised in another way than theirs": method.target_norm not in (None, TargetNorm()),
        "its predictions pass through a sigmoid": method.head.sigmoid,
    }


def _write(method: nn.Module, out: Path) -> Written:
    require_mae(method, "vit_mae")
    digest = save_vit_mae(cast(TrainedMAE, method), out)
    return digest, "ViTMAEForPreTraining.from_pretrained and ViTMAEModel.from_pretrained read it"


VIT_MAE_FOLDER = Target("vit_mae", _write, whole=True, suffixes=())
