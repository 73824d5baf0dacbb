"""Contrast (InfoNCE): of all samples of a batch, which one belongs to this one?

van den Oord et al., Representation Learning with Contrastive Predictive Coding, arXiv 1807.03748; with negatives of all
processes as SimCLR and MoCo v3 take them.
"""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.nn import functional as F


def info_nce(
    query: Tensor,
    key: Tensor,
    *,
    temperature: float | Tensor,
    symmetric: bool = False,
    ids: Tensor | None = None,
    normalised: bool = False,
) -> Tensor:
    """Mean cross-entropy, in nats, of finding each query's key among the keys of the whole batch by cosine similarity.

    Where several processes train, the batch is that of all of them. Its loss is then the mean of the processes' losses,
    as its gradient is the mean of their gradients: two processes with B samples each learn what one with 2 B does.

    Args:
        query: ``(B, D)``, of any length: rows are normalised here.
        key: ``(B, D)``; row i belongs to query i. Every process must bring the same B.
        temperature: Divides similarities; a tensor where it is learned.
        symmetric: Half of the loss is that of finding each key's query among the queries.
        ids: ``(B,)`` int64 of the pairs: a key of the same id is as right as the query's own, and all of them share
            the target (equal captions, a clip that is in the batch twice); or ``(B, K)``, see :func:`alike`. None: all
            differ.
        normalised: Rows are taken as long as they are, such as means of rows of length 1.

    Returns:
        A scalar; :func:`chance_level` is what knowing nothing costs.
    """
    query, key = (rows.to(torch.promote_types(rows.dtype, torch.float32)) for rows in (query, key))
    if not normalised:
        query, key = F.normalize(query, dim=1), F.normalize(key, dim=1)
    loss = _find(query, key, temperature, ids)
    return (loss + _find(key, query, temperature, ids)) / 2 if symmetric else loss


def chance_level(*, num_keys: int) -> float:
    """What :func:`info_nce` gives where all keys look alike: ``ln(num_keys)``, with the batch of all processes."""
    return math.log(num_keys)


def alike(ids: Tensor, others: Tensor) -> Tensor:
    """Which samples are the same, bool ``(B, G)``, of ids ``(B,)`` and ``(G,)``.

    Where a sample has several, ``(B, K)``, two of them are the same if any is: the same clip, or the same words.
    """
    same = ids.unsqueeze(1) == others.unsqueeze(0)
    return same.any(dim=2) if same.ndim == 3 else same


def gather_rows(rows: Tensor) -> tuple[Tensor, int]:
    """The rows of all processes, in their order, and where this one's begin; with a gradient for all of them.

    Args:
        rows: ``(B, D)``, the same B in every process.

    Returns:
        ``(G B, D)`` and rank * B; one process alone gets its own rows and 0.
    """
    if not (dist.is_available() and dist.is_initialized()) or dist.get_world_size() == 1:
        return rows, 0
    return _Gather.apply(rows), dist.get_rank() * len(rows)


class _Gather(torch.autograd.Function):
    """Rows of all processes; each gets back the sum of the gradients that all have for its own."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor) -> Tensor:  # noqa: ANN401 - torch's own context
        gathered = rows.new_empty(dist.get_world_size() * len(rows), *rows.shape[1:])
        dist.all_gather_into_tensor(gathered, rows.contiguous())
        return gathered

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:  # noqa: ANN401
        total = gradient.contiguous().clone()
        dist.all_reduce(total)
        return total.chunk(dist.get_world_size())[dist.get_rank()]


def _find(query: Tensor, key: Tensor, temperature: float | Tensor, ids: Tensor | None) -> Tensor:
    keys, first = gather_rows(key)  # (G B, D)
    logits = query @ keys.T / temperature  # (B, G B)
    if ids is None:
        return F.cross_entropy(logits, torch.arange(first, first + len(query), device=logits.device))
    same = alike(ids, gather_rows(ids)[0]).to(logits.dtype)  # (B, G B)
    return F.cross_entropy(logits, same / same.sum(dim=1, keepdim=True))
