"""How long a step takes, from what it computes: products of matrices, and the softmax of attention beside them.

Where heads are narrow the softmax decides, of which operations tell nothing: Edge-MAE of the paper's size has heads of
8 channels, and spends two thirds of a step in attention, which has half of its operations.
"""

from __future__ import annotations

from dataclasses import dataclass

from medmae.training.cost import step_flops, work
from medmae.training.sizes import Sizes

# Of the speed of a large product, what all but attention reaches in whole steps of the shipped recipes on a CPU
# (docs/scale.md); steps alone of plain transformers 64 to 86 % on a quiet CPU, and 27 to 37 % on a GPU.
EFFICIENCY = 0.4
# What an attention weight costs beside its products, in operations of a large product at full speed: measured with
# heads of 8 to 64 channels and 308 and 1,025 tokens on a CPU, where the products of attention reach that speed.
FORMED, DIFFERENTIATED = 120, 450


@dataclass(frozen=True)
class Load:
    """What a step computes.

    Attributes:
        products: Operations of matrix products and convolutions; a multiplication and an addition are two.
        attention: Operations of fused attention.
        formed: Attention weights, of every head, that are formed.
        differentiated: Of these, through how many the gradient goes.
    """

    products: float
    attention: float
    formed: float
    differentiated: float

    @classmethod
    def of(cls, sizes: Sizes, *, batch: int, checkpointing: bool = False) -> Load:
        """Of a masked method, from its sizes alone; with ``checkpointing`` attention is formed twice."""
        parts, times = work(sizes), 1 + checkpointing
        trunks = {name: sizes.encoder if name == "encoder" else sizes.decoder for name in parts}
        # a weight costs 2 operations a channel to form, and as many to use
        weights = batch * sum(
            part.attention * trunks[name].heads / (4 * trunks[name].dim) for name, part in parts.items()
        )
        attention = batch * sum(part.attention for part in parts.values()) * (2.5 + times)
        operations = step_flops(sizes, batch=batch, checkpointing=checkpointing)
        return cls(operations - attention, attention, times * weights, weights)

    @property
    def operations(self) -> float:
        """All of them, as torch counts them."""
        return self.products + self.attention

    def times(self, count: float) -> Load:
        """So often."""
        return Load(*(count * each for each in (self.products, self.attention, self.formed, self.differentiated)))

    def seconds(self, *, gflops: float) -> float:
        """On a device with large products at ``gflops`` times 1e9 operations a second."""
        softmax = FORMED * self.formed + DIFFERENTIATED * self.differentiated
        return (self.products / EFFICIENCY + self.attention + softmax) / (1e9 * gflops)
