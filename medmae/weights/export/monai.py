"""The encoder as MONAI's ``ViT``, which needs ``einops``; MONAI itself does not install that."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import nn

from medmae.nn.vit import MaskedViT
from medmae.weights.export.anatomy import Anatomy, plain_state, refuse
from medmae.weights.export.target import Target, Written
from medmae.weights.maps.base import TwoWayMap
from medmae.weights.maps.monai import PARTS, PREFIXES
from medmae.weights.read import State
from medmae.weights.write import save_by_suffix

if TYPE_CHECKING:
    from monai.networks.nets import ViT

CLASS_TOKEN_LOST = (
    "it has a class token, and theirs has not: drop_class_token=True leaves it out of attention, and the output is "
    "that of encoder(data, use_class_token=False)"
)
NAMES = TwoWayMap(source="MONAI ViT", prefixes=PREFIXES, parts=PARTS)


def monai_state(encoder: MaskedViT, *, drop_class_token: bool = False) -> State:
    """Its tensors under the keys of MONAI's ``ViT``; ``vit.`` before them makes those of a ``UNETR``.

    MONAI gives no position to a class token, so that ours is added to the token. ``norm_cross_attn``, which its blocks
    hold and do not use, is that of a fresh network.

    Args:
        encoder: Of pictures or volumes.
        drop_class_token: Leave it out; see :func:`to_monai`.

    Raises:
        ValueError: If MONAI has no such network.
    """
    refuse_anatomy("MONAI's ViT", Anatomy.of(encoder))
    state = plain_state(encoder)
    prefix = encoder.num_positions_prefix
    token, table = state.pop("cls_token", None), state["pos_embed"]
    state["pos_embed"] = table[:, prefix:]
    if token is not None and not drop_class_token:
        state["cls_token"] = token + table[:, :1] if prefix else token
    for index in range(len(encoder.blocks)):
        name = f"blocks.{index}.norm_cross_attn"
        state |= {f"{name}.weight": torch.ones(encoder.dim), f"{name}.bias": torch.zeros(encoder.dim)}
    return NAMES.write(state)


def to_monai(encoder: MaskedViT, *, num_classes: int | None = None, drop_class_token: bool = False) -> ViT:
    """MONAI's ``ViT`` of its sizes, with its weights.

    Its first output equals ``encoder(data)``; where the class token is dropped, ``encoder(data,
    use_class_token=False)``. Its LayerNorms get the encoder's epsilon.

    Args:
        encoder: Of pictures or volumes.
        num_classes: K: a classifier on the class token with a fresh head. Its first output are the logits, its second
            one still holds the output of every block, class token first.
        drop_class_token: Attention goes on without the class token. Without a classifier MONAI's network has none.

    Raises:
        ValueError: If MONAI has no such network.
    """
    from monai.networks.nets import ViT

    sizes, classifies = Anatomy.of(encoder), num_classes is not None
    has_token = sizes.class_token != "none"
    reasons = {
        "it has no class token, and theirs classifies by one": classifies and not has_token,
        "it cannot drop the class token and classify by it": classifies and drop_class_token,
    }
    refuse("MONAI's ViT", reasons)
    refuse("MONAI's ViT", {CLASS_TOKEN_LOST: has_token and not classifies and not drop_class_token})
    network = ViT(
        in_channels=sizes.channels,
        img_size=sizes.size,
        patch_size=sizes.patch,
        hidden_size=sizes.dim,
        mlp_dim=sizes.hidden,
        num_layers=sizes.depth,
        num_heads=sizes.heads,
        classification=classifies,
        num_classes=num_classes or 0,
        post_activation="",
        spatial_dims=len(sizes.size),
        qkv_bias=bool(sizes.qkv_bias),
    )
    head = {key: value for key, value in network.state_dict().items() if key.startswith("classification_head.")}
    network.load_state_dict({**monai_state(encoder, drop_class_token=not classifies), **head}, strict=True)
    set_eps(network, sizes.eps)
    return network


def refuse_anatomy(target: str, sizes: Anatomy) -> None:
    """Refuses what no network of MONAI's ViT holds.

    Raises:
        ValueError: With the reasons.
    """
    reasons = {
        f"it is of data with {len(sizes.size)} axes, theirs of pictures and volumes": len(sizes.size) not in (2, 3),
        "it has no norm after its last block, and theirs always has one": not sizes.final_norm,
    }
    refuse(target, reasons)


def set_eps(network: nn.Module, eps: float) -> None:
    """Sets the epsilon of every LayerNorm."""
    for part in network.modules():
        if isinstance(part, nn.LayerNorm):
            part.eps = eps


def write_monai(encoder: MaskedViT, out: Path, *, unetr: bool, drop_class_token: bool) -> Written:
    """Writes a file for a ``ViT``, or the ``vit`` of a ``UNETR``.

    Raises:
        ValueError: If MONAI has no such network.
    """
    sizes = Anatomy.of(encoder)
    token = sizes.class_token != "none" and not drop_class_token
    refuse("a UNETR", {CLASS_TOKEN_LOST: unetr and token})
    prefix = "vit." if unetr else ""
    state = {prefix + key: value for key, value in monai_state(encoder, drop_class_token=drop_class_token).items()}
    network = "UNETR (strict=False, for the rest of it is new)" if unetr else f"ViT(classification={token})"
    note = (
        f"for a {network} with qkv_bias={bool(sizes.qkv_bias)}; a file holds no epsilon: set that of every LayerNorm "
        f"to {sizes.eps:g} for equal outputs, as the functions of medmae.weights.export do"
    )
    return save_by_suffix(state, out), note


MONAI = Target(
    "monai",
    partial(write_monai, unetr=False, drop_class_token=False),
    drop_class_token=partial(write_monai, unetr=False, drop_class_token=True),
)
