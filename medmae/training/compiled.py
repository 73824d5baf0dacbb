"""A training step as compiled code: one graph from patches to loss, on a GPU."""

from __future__ import annotations

from collections.abc import Callable

import torch

from medmae.methods.base import Batch, MaskedMethod, Method, StepOutput

Step = Callable[..., StepOutput]  # step(batch, generator=..., progress=...) -> output


def compiled_step(method: Method, *, device: torch.device) -> Step:
    """What ``method(batch, generator=..., progress=...)`` does, compiled at its first call.

    Masks are drawn before, outside of what is compiled: the same numbers in the same order as without.

    Args:
        method: On its device; its keys stay as they are.
        device: Where it trains.

    Raises:
        ValueError: If that is no GPU.
    """
    if device.type != "cuda":
        raise ValueError(
            f"compiled=True is for GPUs, got {device}: on a CPU it costs a minute and gains nothing; leave it out"
        )
    fast = torch.compile(method)

    def step(batch: Batch, *, generator: torch.Generator, progress: float) -> StepOutput:
        masks = method.draw_masks(batch, generator=generator) if isinstance(method, MaskedMethod) else None
        return fast(batch, generator=generator, masks=masks, progress=progress)

    return step
