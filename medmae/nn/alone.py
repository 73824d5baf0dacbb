"""What an encoder of several kinds of data is for one of them: a plain ViT, for whatever takes one."""

from __future__ import annotations

import torch
from torch import nn

from medmae.nn.fused_encoder import FusedEncoder
from medmae.nn.vit import MaskedViT


def alone(encoder: FusedEncoder, kind: str) -> MaskedViT:
    """The way of one kind, its own blocks and then the fused ones, as a ViT with copies of their weights.

    Of whole data that are not padded it gives, bit for bit up to rounding, what the encoder gives of that kind alone.

    Args:
        encoder: Of several kinds.
        kind: Name of the one.

    Raises:
        ValueError: If the encoder does not take it, or has a norm between own and fused blocks, as AV-MAE has where it
            fuses in the middle: a ViT has no place for it.
    """
    if kind not in encoder.vits:
        raise ValueError(f"the encoder takes {', '.join(encoder.vits)}, and not {kind!r}")
    own, trunk = encoder.vits[kind], encoder.trunk
    fused, norm = ([], own.norm) if trunk is None else trunk.plain(kind)
    if trunk is not None and not isinstance(own.norm, nn.Identity):
        raise ValueError(
            "a norm stands between the blocks of one kind and those of all, for which a plain ViT has no place: take "
            "model.pt, which is the network of one kind (medmae.nn.kind_map.KindMap)"
        )
    stream = encoder.given_as[kind]
    vit = MaskedViT(
        image_size=stream.whole,
        patch_size=stream.patch,
        in_channels=len(stream.kind.channels),
        embed_dim=encoder.dim,
        depth=len(own.blocks) + len(fused),
        num_heads=encoder.num_heads,
        mlp_ratio=encoder.mlp_ratio,
        norm_eps=encoder.norm_eps,
        class_token=own.class_token_place,
        positions=own.positions,
        last_norm=not isinstance(norm, nn.Identity),
        kind=stream.kind,
        gelu=encoder.gelu,
        scale=own.scaling.scale,
    )
    state = {key: value for key, value in own.state_dict().items() if not key.startswith(("blocks.", "norm."))}
    for number, block in enumerate([*own.blocks, *fused]):
        state |= {f"blocks.{number}.{key}": value for key, value in block.state_dict().items()}
    state |= {f"norm.{key}": value for key, value in norm.state_dict().items()}
    if kind in encoder.kind_tokens:  # is added to each patch, as the bias of its projection is
        state["patch_embed.proj.bias"] = state["patch_embed.proj.bias"] + encoder.kind_tokens[kind].flatten()
    with torch.no_grad():
        vit.load_state_dict(state)
    return vit.train(encoder.training)
