"""What a step really costs, counted while it runs: beside it stand the predictions of :mod:`medmae.training.cost`."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from medmae.methods.base import Batch, Method


def count_flops(method: Method, batch: Batch) -> int:
    """Floating-point operations of forward and backward, a multiplication and an addition as two."""
    with FlopCounterMode(display=False) as counter:
        method(batch).loss.backward()
    method.zero_grad(set_to_none=True)
    return counter.get_total_flops()


def count_saved_bytes(method: Method, batch: Batch) -> int:
    """Bytes that autograd keeps from forward for backward: every storage once, parameters not counted."""
    own = {p.untyped_storage().data_ptr() for p in (*method.parameters(), *method.buffers())}
    kept: dict[int, Tensor] = {}  # tensors, not numbers: a storage that is freed would give its address to the next

    def keep(tensor: Tensor) -> Tensor:
        address = tensor.untyped_storage().data_ptr()
        if address not in own:
            kept[address] = tensor
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        loss = method(batch).loss
    del loss
    return sum(tensor.untyped_storage().nbytes() for tensor in kept.values())
