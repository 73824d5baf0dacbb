"""Contrast between two kinds of data of the same samples, of which each may come in several windows.

Franceschini et al., "Multimodal Emotion Recognition with Modality-Pairwise Unsupervised Contrastive Loss", ICPR 2022,
arXiv 2207.11482; of several positives each counts alike (Khosla et al., NeurIPS 2020, arXiv 2004.11362).
"""

from __future__ import annotations

import torch
import torch.distributed as dist
from torch import Tensor
from torch.nn import functional as F

from medmae.objectives.contrastive import alike, gather_rows

_NEVER = -1e30  # a logit that no softmax sees, and whose gradient is no NaN


def pair_contrast(
    anchor: Tensor,
    other: Tensor,
    *,
    temperature: float,
    positives: Tensor | None = None,
    groups: Tensor | None = None,
    there: Tensor | None = None,
    release: bool = False,
) -> tuple[Tensor, Tensor]:
    """Mean cross-entropy, in nats, of finding each window's sample among windows of another kind of all processes.

    Args:
        anchor: ``(B, V, D)`` of one kind, V windows a sample, of any length: rows are normalised here.
        other: ``(B, V, D)`` of the other kind.
        temperature: Divides cosines.
        positives: ``(B, G B)``, how much each sample of all processes is sought; None: itself alone.
        groups: ``(B,)`` int64; other samples of the same group are no negatives (utterances of one video).
        there: ``(B,)`` bool, False where a sample lacks one of the two kinds and is neither row nor column.
        release: As the authors' code has it: column k is removed from row k, as if rows and columns were of one kind,
            so that of two windows the simultaneous one is neither positive nor negative; and the mean over positives
            divides by one too many.

    Returns:
        A scalar, and how many samples of all processes it is the mean of, a scalar int64; 0 of none.

    Raises:
        ValueError: If ``release`` is asked for with one window, whose only positive it removes.
    """
    count, views = anchor.shape[:2]
    if release and views < 2:
        raise ValueError("the released form needs two windows a sample: it removes the simultaneous one")
    there = torch.ones(count, dtype=torch.bool, device=anchor.device) if there is None else there
    rows, keys = (_rows(each) for each in (anchor, other))  # (V B, D)
    columns, first = gather_rows(keys)  # (G V B, D)
    weight = own_samples(count, device=anchor.device) if positives is None else positives.float()  # (B, G B)
    barred = ~gather_rows(there.long())[0].bool().expand(count, -1) if groups is None else _barred(there, groups)
    weight, barred = (_windowed(each, count, views) for each in (weight, barred))  # (V B, G V B)
    if release:
        place = torch.arange(len(rows), device=rows.device)
        barred[place, first + place] = True
    weight = weight.masked_fill(barred, 0.0)
    logits = (rows @ columns.T / temperature).masked_fill(barred, _NEVER)
    found = (logits.log_softmax(dim=1) * weight).sum(dim=1) / (weight.sum(dim=1) + int(release)).clamp(min=1e-12)
    return _mean(-found, there.repeat(views), views=views)


def own_samples(count: int, *, device: torch.device) -> Tensor:
    """1 where a column of all processes is a row's own sample, else 0: ``(B, G B)``."""
    number, first = gather_rows(torch.arange(count, device=device))
    return F.one_hot(torch.arange(first, first + count, device=device), len(number)).float()


def samples_alike(labels: Tensor) -> Tensor:
    """How much samples of all processes are sought by their labels, ``(B, G B)``: contrast that is supervised.

    Args:
        labels: ``(B,)`` int64, classes: all of one class alike. Or ``(B, K)``, intensities from 0: the softmax of the
            products of shares over 0.01.
    """
    everyone = gather_rows(labels)[0]
    if labels.ndim == 1:
        return alike(labels, everyone).float()
    share, others = (F.normalize(each.float(), p=1, dim=1) for each in (labels, everyone))
    return (share @ others.T / 0.01).softmax(dim=1)


def _rows(of: Tensor) -> Tensor:
    """``(B, V, D)`` -> ``(V B, D)`` of length 1: first all first windows."""
    rows = of.transpose(0, 1).flatten(0, 1)
    return F.normalize(rows.to(torch.promote_types(rows.dtype, torch.float32)), dim=1)


def _barred(there: Tensor, groups: Tensor) -> Tensor:
    """Columns that are no candidates of a row, ``(B, G B)`` bool."""
    same = alike(groups, gather_rows(groups)[0]) & ~own_samples(len(groups), device=groups.device).bool()
    return same | ~gather_rows(there.long())[0].bool()


def _windowed(table: Tensor, count: int, views: int) -> Tensor:
    """``(B, G B)`` -> ``(V B, G V B)``: alike for all windows; columns process by process, window by window."""
    return table.unflatten(1, (-1, count)).repeat(views, 1, views).flatten(1)


def _mean(loss: Tensor, counted: Tensor, *, views: int) -> tuple[Tensor, Tensor]:
    """Over counted rows of all processes, such that the mean of the processes' losses is it."""
    total, world = counted.sum(), 1
    if dist.is_available() and dist.is_initialized():
        dist.all_reduce(total)
        world = dist.get_world_size()
    return loss.masked_fill(~counted, 0.0).sum() * world / total.clamp(min=1), total // views
