"""The encoder as timm's ``VisionTransformer``: same keys, same output."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from timm.models.vision_transformer import VisionTransformer
from torch import nn

from medmae.nn.vit import MaskedViT
from medmae.weights.export.anatomy import Anatomy, plain_state, refuse
from medmae.weights.export.target import Target, Written
from medmae.weights.read import State
from medmae.weights.write import save_by_suffix


def timm_state(encoder: MaskedViT) -> State:
    """Its tensors under timm's keys, mostly its own; for any ``VisionTransformer`` of its sizes without a head.

    Raises:
        ValueError: If timm has no such network.
    """
    _refuse(Anatomy.of(encoder))
    return plain_state(encoder)


def to_timm(encoder: MaskedViT, *, num_classes: int = 0) -> VisionTransformer:
    """A ``VisionTransformer`` of its sizes, with its weights: ``forward_features(image)`` equals ``encoder(image)``.

    Args:
        encoder: Of pictures, square or not.
        num_classes: K, outputs of a fresh head; 0 for none.

    Raises:
        ValueError: If timm has no such network.
    """
    state, sizes = timm_state(encoder), Anatomy.of(encoder)
    token = sizes.class_token == "first"
    network = VisionTransformer(
        img_size=sizes.size,
        patch_size=sizes.patch,
        in_chans=sizes.channels,
        num_classes=num_classes,
        embed_dim=sizes.dim,
        depth=sizes.depth,
        num_heads=sizes.heads,
        mlp_ratio=sizes.hidden / sizes.dim,
        qkv_bias=bool(sizes.qkv_bias),
        class_token=token,
        global_pool="token" if token else "avg",
        fc_norm=False,  # the norm stays where it is, before pooling
        final_norm=sizes.final_norm,
        norm_layer=partial(nn.LayerNorm, eps=sizes.eps),
    )
    head = {key: value for key, value in network.state_dict().items() if key.startswith("head.")}
    network.load_state_dict({**state, **head}, strict=True)
    return network


def _refuse(sizes: Anatomy) -> None:
    reasons = {
        f"it is of data with {len(sizes.size)} axes, and theirs are of pictures": len(sizes.size) != 2,
        "its class token comes last and has no position; theirs comes first, with one": sizes.class_token == "last",
    }
    refuse("timm's VisionTransformer", reasons)


def _write(encoder: MaskedViT, out: Path) -> Written:
    note = "for a VisionTransformer of these sizes with num_classes=0"
    if encoder.norm_eps != 1e-6:
        note += f", whose norms have an epsilon of {encoder.norm_eps:g}"
    return save_by_suffix(timm_state(encoder), out), note


TIMM = Target("timm", _write)
