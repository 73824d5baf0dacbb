"""FSDP2: weights, gradients and optimiser states cut into shards, one for each process.

Zhao et al., PyTorch FSDP, VLDB 2023, arXiv 2304.11277. Only worth its traffic when a model does not fit beside its
optimiser (docs/scale.md); Lightning's ``ModelParallelStrategy`` calls it through ``MaskedModule.configure_model``.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor

from medmae.nn.checkpointing import recomputable_blocks


def shard(method: nn.Module, *, mesh: DeviceMesh) -> None:
    """Shards ``method`` in place: each transformer block by itself, all else (embeddings, norms, heads) together.

    A block's weights are whole only while it computes; the rest is whole from the method's forward to its backward.
    Only ``method(...)`` may be called from then on: whatever else reads weights would meet shards.

    Args:
        method: With the same weights in every process.
        mesh: One axis, over the processes that share the weights.
    """
    for block in recomputable_blocks(method):
        fully_shard(block, mesh=mesh)
    fully_shard(method, mesh=mesh)


@torch.no_grad()
def gather(sharded: nn.Module, *, into: nn.Module) -> None:
    """Copies the weights of a sharded module into an ordinary one of the same architecture, in every process.

    Every process has to call it. One tensor is whole at a time, so that ``into`` may lie where there is room.
    """
    shards = sharded.state_dict()
    for name, whole in into.state_dict().items():
        part = shards[name]
        whole.copy_(part.full_tensor() if isinstance(part, DTensor) else part)
