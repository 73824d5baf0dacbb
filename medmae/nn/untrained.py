"""An encoder as it was before it learnt anything: what every pre-trained one is compared with."""

from __future__ import annotations

import copy

import torch
from torch import nn

from medmae.nn.init import initialise_linears
from medmae.nn.positions import sincos_table
from medmae.nn.seeding import drawn_by
from medmae.nn.vit import MaskedViT, PatchProjection


def untrained_like(encoder: MaskedViT, *, seed: int = 0) -> MaskedViT:
    """A copy of the same size with weights drawn anew, as its constructor draws them.

    Args:
        encoder: Left as it is.
        seed: Of the weights; torch's own generators are left as they are.

    Raises:
        ValueError: If the encoder has parameters that no rule here draws.
    """
    fresh = copy.deepcopy(encoder).cpu()  # where draws are the same for all devices
    with drawn_by(seed), torch.no_grad():
        drawn = _draw(fresh)
    left = [name for name, parameter in fresh.named_parameters() if id(parameter) not in drawn]
    if left:
        raise ValueError(f"no rule draws {', '.join(left[:5])} anew; build the encoder a second time instead")
    return fresh.to(encoder.pos_embed.device)


def _draw(encoder: MaskedViT) -> set[int]:
    """Draws all it knows; gives the ids of those parameters."""
    drawn = {id(encoder.pos_embed)}
    for module in encoder.modules():
        if isinstance(module, nn.LayerNorm | PatchProjection | nn.Linear):
            module.reset_parameters()
            drawn |= {id(parameter) for parameter in module.parameters()}
    initialise_linears(encoder)
    table = sincos_table(
        grid=encoder.patches.grid,
        dim=encoder.embed_dim,
        axis_order=encoder.axis_order,
        prefix=encoder.num_positions_prefix,
    )
    encoder.pos_embed.copy_(table)
    if encoder.cls_token is not None:
        nn.init.normal_(encoder.cls_token, std=0.02)
        drawn.add(id(encoder.cls_token))
    return drawn
