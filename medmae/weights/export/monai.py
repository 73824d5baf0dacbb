"""The encoder as MONAI's ``ViT``, alone or in a ``UNETR``.

Both need ``einops``, which MONAI itself does not install.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Literal, get_args

import torch
from torch import nn

from medmae.errors import check_choice
from medmae.nn.vit import MaskedViT
from medmae.weights.adapt import Adaptation
from medmae.weights.export.anatomy import Anatomy, refuse, resized
from medmae.weights.io import import_state
from medmae.weights.maps.base import TwoWayMap
from medmae.weights.read import State
from medmae.weights.report import ImportReport

if TYPE_CHECKING:
    from monai.networks.nets import UNETR, ViT

NormEps = Literal["copy", "keep"]

_EPS = 1e-5  # of every LayerNorm in MONAI's ViT
_DEPTH = 12  # blocks of every UNETR
CLASS_TOKEN_LOST = (
    "it has a class token, and theirs has not: drop_class_token=True leaves it out of attention, and the output is "
    "that of encoder(data, use_class_token=False)"
)
_NAMES = TwoWayMap(
    source="MONAI ViT",
    prefixes=(
        ("patch_embedding.patch_embeddings.", "patch_embed.proj."),
        ("patch_embedding.position_embeddings", "pos_embed"),
    ),
    parts=(("attn.out_proj", "attn.proj"), ("mlp.linear1", "mlp.fc1"), ("mlp.linear2", "mlp.fc2")),
)


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
    _refuse("MONAI's ViT", Anatomy.of(encoder))
    state = dict(encoder.state_dict())
    prefix = encoder.num_positions_prefix
    token, table = state.pop("cls_token", None), state["pos_embed"]
    state["pos_embed"] = table[:, prefix:]
    if token is not None and not drop_class_token:
        state["cls_token"] = token + table[:, :1] if prefix else token
    for index in range(len(encoder.blocks)):
        name = f"blocks.{index}.norm_cross_attn"
        state |= {f"{name}.weight": torch.ones(encoder.embed_dim), f"{name}.bias": torch.zeros(encoder.embed_dim)}
    return _NAMES.write(state)


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
        qkv_bias=sizes.qkv_bias,
    )
    head = {key: value for key, value in network.state_dict().items() if key.startswith("classification_head.")}
    network.load_state_dict({**monai_state(encoder, drop_class_token=not classifies), **head}, strict=True)
    _set_eps(network, sizes.eps)
    return network


def load_unetr(
    unetr: UNETR,
    encoder: MaskedViT,
    *,
    drop_class_token: bool = False,
    norm_eps: NormEps | None = None,
    adapt: Sequence[Adaptation] = (),
) -> ImportReport:
    """Puts the encoder into a ``UNETR``; all else of it stays as it is.

    Its ``vit`` then gives ``encoder(data, use_class_token=False)``, and the outputs of its blocks.

    Args:
        unetr: Of any size and number of channels that ``adapt`` leads to.
        encoder: 12 blocks deep.
        drop_class_token: UNETR has no class token: True leaves ours out of attention.
        norm_eps: If its LayerNorms have another epsilon (MONAI 1e-5, MAE 1e-6): ``copy`` sets ours, ``keep`` leaves
            theirs, which changes outputs a little.
        adapt: Rules for other sizes and channels, or for volumes; see :func:`medmae.weights.adapt.adapt_state`.

    Returns:
        What happened to each key of its ``vit``.

    Raises:
        ValueError: If they do not fit; the network is unchanged.
    """
    if norm_eps is not None:
        check_choice(norm_eps, get_args(NormEps), name="norm_eps")
    _refuse_unetr(unetr, Anatomy.of(encoder), drop_class_token=drop_class_token, norm_eps=norm_eps)
    kernel = unetr.vit.patch_embedding.patch_embeddings.weight  # (D, C, *patch)
    patch = tuple(kernel.shape[2:])
    size = tuple(tokens * extent for tokens, extent in zip(unetr.feat_size, patch, strict=True))
    fitted, adapted = resized(encoder, size=size, patch=patch, channels=kernel.shape[1], adapt=adapt)
    report = import_state(unetr.vit, monai_state(fitted, drop_class_token=True))
    if norm_eps == "copy":
        _set_eps(unetr.vit, encoder.norm_eps)
    return replace(report, adapted=list(_NAMES.write(dict.fromkeys(adapted, kernel))))


def _refuse(target: str, sizes: Anatomy) -> None:
    reasons = {
        f"it is of data with {len(sizes.size)} axes, theirs of pictures and volumes": len(sizes.size) not in (2, 3),
        "it has no norm after its last block, and theirs always has one": not sizes.final_norm,
    }
    refuse(target, reasons)


def _refuse_unetr(unetr: UNETR, sizes: Anatomy, *, drop_class_token: bool, norm_eps: NormEps | None) -> None:
    _refuse("MONAI's UNETR", sizes)
    attention = unetr.vit.blocks[0].attn
    width, bias = unetr.hidden_size, attention.qkv.bias is not None
    eps = unetr.vit.norm.eps
    reasons = {
        f"it has {sizes.depth} blocks, a UNETR {_DEPTH}: only an encoder of that depth fits": sizes.depth != _DEPTH,
        f"its width is {sizes.dim}, theirs {width}: build UNETR(hidden_size={sizes.dim})": sizes.dim != width,
        f"its MLP is {sizes.hidden} wide: build UNETR(mlp_dim={sizes.hidden})": sizes.hidden != _mlp_dim(unetr),
        f"it has {sizes.heads} heads, theirs {attention.num_heads}: build UNETR(num_heads={sizes.heads})": (
            sizes.heads != attention.num_heads
        ),
        f"its qkv_bias is {sizes.qkv_bias}: build UNETR(qkv_bias={sizes.qkv_bias})": sizes.qkv_bias != bias,
        f"its LayerNorms have an epsilon of {sizes.eps:g}, theirs {eps:g}: norm_eps='copy' sets ours, 'keep' not": (
            norm_eps is None and sizes.eps != eps
        ),
    }
    refuse("this UNETR", reasons)
    refuse("a UNETR", {CLASS_TOKEN_LOST: sizes.class_token != "none" and not drop_class_token})


def _mlp_dim(unetr: UNETR) -> int:
    return int(unetr.vit.blocks[0].mlp.linear1.out_features)


def _set_eps(network: nn.Module, eps: float) -> None:
    for part in network.modules():
        if isinstance(part, nn.LayerNorm):
            part.eps = eps
