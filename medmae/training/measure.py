"""What a step really costs, counted while it runs: beside it stand the predictions of :mod:`medmae.training.cost`."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode, sdpa_backward_flop_count, sdpa_flop_count

from medmae.methods.base import Batch, Method
from medmae.training.duration import Load

Shape = Sequence[int]


def count_flops(method: Method, batch: Batch) -> int:
    """Floating-point operations of forward and backward, a multiplication and an addition as two."""
    return int(count_load(method, batch).operations)


def count_load(method: Method, batch: Batch) -> Load:
    """What forward and backward compute, on the CPU."""
    seen = _Attention()
    with FlopCounterMode(display=False, custom_mapping=seen.formulas) as counter:
        method(batch).loss.backward()
    method.zero_grad(set_to_none=True)
    return Load(counter.get_total_flops() - seen.operations, seen.operations, seen.formed, seen.differentiated)


class _Attention:
    """Fused attention on its way through torch's counter."""

    operations = formed = differentiated = 0

    @property
    def formulas(self) -> dict[Any, Callable[..., int]]:
        """Those of torch, which are counted beside all others."""
        ops = torch.ops.aten
        return {
            ops._scaled_dot_product_flash_attention_for_cpu: self._forward,
            ops._scaled_dot_product_flash_attention_for_cpu_backward: self._backward,
        }

    def _forward(self, query: Shape, key: Shape, value: Shape, *_: object, **__: object) -> int:
        return self._add("formed", query, key, sdpa_flop_count(query, key, value))

    def _backward(self, grad: Shape, query: Shape, key: Shape, value: Shape, *_: object, **__: object) -> int:
        return self._add("differentiated", query, key, sdpa_backward_flop_count(grad, query, key, value))

    def _add(self, what: str, query: Shape, key: Shape, operations: int) -> int:
        setattr(self, what, getattr(self, what) + prod(query[:-1]) * key[-2])
        self.operations += operations
        return operations


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


@dataclass(frozen=True)
class Counted:
    """What one sample costs, and the network that it costs it.

    Attributes:
        load: Of forward and backward; as :func:`count_load` counts it.
        kept: Bytes that autograd keeps; as :func:`count_saved_bytes` counts them.
        trainable: Numbers with a gradient.
        frozen: Others, such as position tables and teachers.
    """

    load: Load
    kept: int
    trainable: int
    frozen: int

    def memory(self, *, batch: int) -> int:
        """Bytes of a training step in float32 under AdamW: weights, gradients, two moments, and what autograd keeps."""
        return 16 * self.trainable + 4 * self.frozen + batch * self.kept


def count_sample(method: Method) -> Counted:
    """Runs a copy of a method on two random samples, and counts; the method and all random numbers stay as they are.

    Args:
        method: Of any kind, on the CPU.
    """
    numbers = [*method.parameters(), *method.buffers()]
    trainable = sum(each.numel() for each in method.parameters() if each.requires_grad)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        copied, batch = copy.deepcopy(method), method.example_batch(_TWO, generator=torch.Generator().manual_seed(0))
        kept = count_saved_bytes(copied, batch)
        load = count_load(copied, batch)
    rest = sum(each.numel() for each in numbers) - trainable
    return Counted(load.times(1 / _TWO), kept // _TWO, trainable, rest)


_TWO = 2  # a batch of one has no variance, and no other sample to be told from
