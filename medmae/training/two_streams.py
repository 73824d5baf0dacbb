"""Arithmetic of a step of SAIM, whose parts are used otherwise than :mod:`medmae.training.ledger` says of them."""

from __future__ import annotations

from torch import nn

from medmae.methods.saim import SAIM
from medmae.training.cost import Work, block_work
from medmae.training.sizes import Trunk


def two_streams(method: SAIM) -> dict[str, Work]:
    """Of one sample, by what is done.

    Nothing is hidden. The content stream has the class token and all patches but the last, the query stream all
    patches: N tokens each. Causal attention is counted whole, as torch's counter does; kernels do about half of it.
    """
    tokens, values = method.patches.num_tokens, method.patches.num_values
    trunk = Trunk.of(method.encoder.blocks)
    block = block_work(trunk, tokens=tokens, queries=tokens)
    head = sum(part.weight.numel() for part in method.head.modules() if isinstance(part, nn.Linear))
    return {
        "encoder": Work(leaf=2 * (tokens - 1) * values * trunk.dim) + block.times(trunk.depth),
        "query_blocks": block.times(method.query_depth),  # which may be the encoder's, used once more
        "head": Work(linear=2 * tokens * head),
    }
