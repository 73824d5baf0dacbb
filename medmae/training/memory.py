"""Memory of a training step, from sizes alone; docs/scale.md has the formulas and the checks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from medmae.errors import check_choice
from medmae.training.cost import block_parameters, parameters
from medmae.training.sizes import Sizes, Trunk

Precision = Literal["32-true", "bf16-mixed"]


@dataclass(frozen=True)
class Kept:
    """Numbers kept for the backward pass.

    Attributes:
        wide: In float32 whatever the precision: the residual stream, statistics, the loss.
        narrow: Inputs of matrix products, attention and GELU: two bytes each under bfloat16.
    """

    wide: int = 0
    narrow: int = 0

    def __add__(self, other: Kept) -> Kept:
        return Kept(self.wide + other.wide, self.narrow + other.narrow)

    def times(self, count: int) -> Kept:
        """``count`` times that."""
        return Kept(count * self.wide, count * self.narrow)

    def bytes(self, precision: Precision) -> int:
        """In memory."""
        return 4 * self.wide + (4 if precision == "32-true" else 2) * self.narrow


def block_kept(trunk: Trunk, *, tokens: int) -> Kept:
    """One block: input and middle of the residual stream; both norms' outputs, q, k, v, their mix; the MLP twice."""
    norm_statistics, softmax_sums = 4 * tokens, tokens * trunk.heads
    return Kept(
        wide=2 * tokens * trunk.dim + norm_statistics + softmax_sums,
        narrow=6 * tokens * trunk.dim + 2 * tokens * trunk.hidden,
    )


def tail_kept(trunk: Trunk, *, tokens: int, queries: int) -> Kept:
    """A decoder's last block: all tokens enter as keys and values, ``queries`` of them ask."""
    dim = trunk.dim
    return Kept(
        wide=(tokens + queries) * (dim + 2) + queries * trunk.heads,
        # normed input, keys, values of all; normed input once more, query, mix, second norm and MLP of the queries
        narrow=3 * tokens * dim + 4 * queries * dim + 2 * queries * trunk.hidden,
    )


def kept(sizes: Sizes, *, checkpointing: bool = False) -> Kept:
    """Of one sample. With checkpointing, of each block only its input."""
    encoder, decoder = sizes.encoder, sizes.decoder
    seen, everything, masked = sizes.visible + sizes.extra, sizes.tokens + sizes.extra, sizes.masked
    inputs = Kept(narrow=sizes.visible * sizes.values)
    bridge = Kept(wide=seen * (encoder.dim + 2), narrow=seen * encoder.dim)  # the encoder's last norm
    head = Kept(wide=2 * masked + masked * sizes.values, narrow=masked * decoder.dim)
    heads = head.times(sizes.heads) + Kept(wide=masked * (decoder.dim + sizes.sigmoids * sizes.values))
    if checkpointing:
        blocks = Kept(wide=encoder.depth * seen * encoder.dim + decoder.depth * everything * decoder.dim)
    else:
        blocks = block_kept(encoder, tokens=seen).times(encoder.depth)
        blocks += block_kept(decoder, tokens=everything).times(decoder.depth - 1)
        blocks += tail_kept(decoder, tokens=everything, queries=masked)
    return inputs + blocks + bridge + heads


def saved_bytes(sizes: Sizes, *, batch: int, checkpointing: bool = False, precision: Precision = "32-true") -> int:
    """What autograd keeps from forward for backward, for a batch."""
    return kept(sizes, checkpointing=checkpointing).times(batch).bytes(precision)


@dataclass(frozen=True)
class Memory:
    """Bytes of one process.

    Attributes:
        weights: Float32.
        gradients: Float32.
        optimiser: Both moments of AdamW.
        copies: Weights cast to bfloat16, which autocast keeps for the step.
        activations: Saved for the backward pass.
        working: Inside of the one block that recomputation has open.
    """

    weights: int
    gradients: int
    optimiser: int
    copies: int
    activations: int
    working: int

    @property
    def total(self) -> int:
        """All of them."""
        return self.weights + self.gradients + self.optimiser + self.copies + self.activations + self.working


def memory(
    sizes: Sizes, *, batch: int, checkpointing: bool = False, precision: Precision = "32-true", shards: int = 1
) -> Memory:
    """One process's memory; ``shards`` processes share weights, gradients and optimiser states (FSDP2).

    Raises:
        ValueError: If the precision is not one whose costs are known.
    """
    check_choice(precision, get_args(Precision), name="precision")
    count, cast = parameters(sizes), 2 if precision == "bf16-mixed" else 0
    encoder, decoder = sizes.encoder, sizes.decoder
    largest = max(block_parameters(encoder), block_parameters(decoder))
    outside = count.trainable - encoder.depth * block_parameters(encoder) - decoder.depth * block_parameters(decoder)
    # Under FSDP2 one block (and the next, fetched ahead) and what belongs to no block are whole for a while.
    whole = 4 * (2 * largest + outside) if shards > 1 else 0
    opened = max(
        block_kept(encoder, tokens=sizes.visible + sizes.extra).bytes(precision),
        block_kept(decoder, tokens=sizes.tokens + sizes.extra).bytes(precision),
    )
    return Memory(
        weights=4 * (count.trainable + count.frozen) // shards + whole,
        gradients=4 * count.trainable // shards,
        optimiser=8 * count.trainable // shards,
        copies=cast * (count.trainable if shards == 1 else 2 * largest + outside),
        activations=saved_bytes(sizes, batch=batch, checkpointing=checkpointing, precision=precision),
        working=batch * opened if checkpointing else 0,
    )
