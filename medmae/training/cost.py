"""Parameters and arithmetic of a training step, from sizes alone; docs/scale.md has the formulas and the checks.

A multiplication and an addition are two operations. Only matrix products, attention and convolutions are counted, as
torch's own counter does; norms, GELU and the optimiser are bound by memory, not by arithmetic.
"""

from __future__ import annotations

from dataclasses import dataclass

from medmae.training.sizes import Sizes, Trunk

SOBEL_2D_WEIGHTS = 18  # two kernels of 3 x 3, kept as a frozen parameter


@dataclass(frozen=True)
class Parameters:
    """How many numbers a method has.

    Attributes:
        trainable: With a gradient and optimiser states.
        frozen: Position tables and fixed kernels.
    """

    trainable: int
    frozen: int


def block_parameters(trunk: Trunk) -> int:
    """Of one transformer block."""
    dim, hidden = trunk.dim, trunk.hidden
    norms, attention = 4 * dim, 4 * dim * dim + 4 * dim
    return norms + attention + 2 * dim * hidden + hidden + dim


def parameters(sizes: Sizes) -> Parameters:
    """Of the whole method."""
    encoder, decoder, values = sizes.encoder, sizes.decoder, sizes.values
    embed = values * encoder.dim + encoder.dim + (sizes.class_tokens + sizes.contrasts) * encoder.dim
    bridge = encoder.dim * decoder.dim + 2 * decoder.dim  # weight, bias, mask token
    head = 2 * decoder.dim + decoder.dim * values + values
    blocks = encoder.depth * block_parameters(encoder) + decoder.depth * block_parameters(decoder)
    tables = (sizes.class_positions + sizes.tokens) * (encoder.dim + decoder.dim)
    return Parameters(
        trainable=embed + blocks + 2 * encoder.dim + bridge + sizes.heads * head,
        frozen=tables + (SOBEL_2D_WEIGHTS if sizes.sobel_values else 0),
    )


@dataclass(frozen=True)
class Work:
    """Operations of one part for one sample.

    Attributes:
        linear: Matrix products of the forward pass; backward does them twice, for weights and for inputs.
        attention: Of the forward pass; the fused kernel does 2.5 times as much backward, scores being formed anew.
        leaf: Products whose input needs no gradient; backward does them once.
        fixed: Done without gradient: targets, teachers.
        redone: What recomputation adds: all of a block but its last product, whose output nothing needs.
    """

    linear: int = 0
    attention: int = 0
    leaf: int = 0
    fixed: int = 0
    redone: int = 0

    def step(self, *, checkpointing: bool) -> int:
        """Forward and backward."""
        attention = self.attention * 7 // 2
        return 3 * self.linear + attention + 2 * self.leaf + self.fixed + checkpointing * self.redone

    def __add__(self, other: Work) -> Work:
        return Work(
            self.linear + other.linear,
            self.attention + other.attention,
            self.leaf + other.leaf,
            self.fixed + other.fixed,
            self.redone + other.redone,
        )

    def times(self, count: int) -> Work:
        """``count`` such parts."""
        return Work(*(count * value for value in (self.linear, self.attention, self.leaf, self.fixed, self.redone)))


def block_work(trunk: Trunk, *, tokens: int, queries: int) -> Work:
    """One block over ``tokens``, of which only ``queries`` ask and go on (all, but for a decoder's last block)."""
    dim, hidden = trunk.dim, trunk.hidden
    linear = 4 * tokens * dim * dim + 4 * queries * dim * dim + 4 * queries * dim * hidden
    attention = 4 * queries * tokens * dim
    return Work(linear=linear, attention=attention, redone=linear + attention - 2 * queries * dim * hidden)


def work(sizes: Sizes) -> dict[str, Work]:
    """The ledger of one sample, part by part."""
    encoder, decoder = sizes.encoder, sizes.decoder
    seen, everything = sizes.visible + sizes.extra, sizes.tokens + sizes.extra
    return {
        "patch embedding": Work(leaf=2 * sizes.visible * sizes.values * encoder.dim),
        "encoder": block_work(encoder, tokens=seen, queries=seen).times(encoder.depth),
        "decoder embedding": Work(linear=2 * seen * encoder.dim * decoder.dim),
        "decoder": block_work(decoder, tokens=everything, queries=everything).times(decoder.depth - 1),
        "decoder's last block": block_work(decoder, tokens=everything, queries=sizes.masked),
        "heads": Work(linear=2 * sizes.heads * sizes.masked * decoder.dim * sizes.values),
        "targets": Work(fixed=2 * SOBEL_2D_WEIGHTS * sizes.sobel_values),
    }


def step_flops(sizes: Sizes, *, batch: int, checkpointing: bool = False) -> int:
    """Operations of forward and backward of a batch."""
    return batch * sum(part.step(checkpointing=checkpointing) for part in work(sizes).values())
