"""The encoder in MONAI's ``UNETR``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Literal, get_args

from medmae.errors import check_choice
from medmae.nn.vit import MaskedViT
from medmae.weights.adapt import Adaptation
from medmae.weights.export.anatomy import Anatomy, refuse, resized
from medmae.weights.export.monai import CLASS_TOKEN_LOST, NAMES, monai_state, refuse_anatomy, set_eps, write_monai
from medmae.weights.export.target import Target
from medmae.weights.io import import_state
from medmae.weights.report import ImportReport

if TYPE_CHECKING:
    from monai.networks.nets import UNETR

NormEps = Literal["copy", "keep"]

_DEPTH = 12  # blocks of every UNETR


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
        set_eps(unetr.vit, encoder.norm_eps)
    return replace(report, adapted=list(NAMES.write(dict.fromkeys(adapted, kernel))))


def _refuse_unetr(unetr: UNETR, sizes: Anatomy, *, drop_class_token: bool, norm_eps: NormEps | None) -> None:
    refuse_anatomy("MONAI's UNETR", sizes)
    attention = unetr.vit.blocks[0].attn
    width, bias = unetr.hidden_size, attention.qkv.bias is not None
    eps, biased = unetr.vit.norm.eps, bool(sizes.qkv_bias)
    reasons = {
        f"it has {sizes.depth} blocks, a UNETR {_DEPTH}: only an encoder of that depth fits": sizes.depth != _DEPTH,
        f"its width is {sizes.dim}, theirs {width}: build UNETR(hidden_size={sizes.dim})": sizes.dim != width,
        f"its MLP is {sizes.hidden} wide: build UNETR(mlp_dim={sizes.hidden})": sizes.hidden != _mlp_dim(unetr),
        f"it has {sizes.heads} heads, theirs {attention.num_heads}: build UNETR(num_heads={sizes.heads})": (
            sizes.heads != attention.num_heads
        ),
        f"its qkv_bias is {biased}: build UNETR(qkv_bias={biased})": biased != bias,
        f"its LayerNorms have an epsilon of {sizes.eps:g}, theirs {eps:g}: norm_eps='copy' sets ours, 'keep' not": (
            norm_eps is None and sizes.eps != eps
        ),
    }
    refuse("this UNETR", reasons)
    refuse("a UNETR", {CLASS_TOKEN_LOST: sizes.class_token != "none" and not drop_class_token})


def _mlp_dim(unetr: UNETR) -> int:
    return int(unetr.vit.blocks[0].mlp.linear1.out_features)


UNETR_VIT = Target(
    "unetr",
    partial(write_monai, unetr=True, drop_class_token=False),
    drop_class_token=partial(write_monai, unetr=True, drop_class_token=True),
)
