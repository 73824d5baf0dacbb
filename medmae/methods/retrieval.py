"""What finds clips by sentences, and sentences by clips, has in common, however it was trained."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

Match = Callable[[Tensor, Tensor], Tensor]  # match(rows (K,), columns (K,)) -> scores (K,)
CLIPS, SENTENCES = "clips", "sentences"  # what a step predicts: points of both


@dataclass(frozen=True)
class Encoded:
    """Clips, or sentences, for retrieval.

    Attributes:
        points: In the common space, ``(B, P)``.
        tokens: What matching reads, ``(B, ..., D)``; of sentences ``(B, L, D)``.
        real: Which words are no padding, ``(B, L)``; None of clips.
    """

    points: Tensor
    tokens: Tensor
    real: Tensor | None = None


@runtime_checkable
class Retriever(Protocol):
    """A method that finds clips by sentences and back: a :class:`medmae.methods.base.Method`, too."""

    @property
    def matches(self) -> bool:
        """Whether there is a layer that looks at pairs."""

    @property
    def temperature(self) -> float:
        """What its likeness is divided by where it is to be a share."""

    def encode_clips(self, clip: Tensor) -> Encoded:
        """Clips ``(B, C, T, H, W)`` in their own units."""

    def encode_words(self, words: Tensor) -> Encoded:
        """Sentences ``(B, L)``."""

    def likeness(self, sentences: Tensor, clips: Tensor) -> Tensor:
        """Of points ``(B, P)`` to points ``(K, P)``, ``(B, K)``: the more, the likelier they belong together."""

    def match(self, clips: Encoded, sentences: Encoded, rows: Tensor, columns: Tensor) -> Tensor:
        """Logits that sentences ``rows`` ``(K,)`` belong to clips ``columns`` ``(K,)``: ``(K,)``."""


def rerank(likeness: Tensor, match: Match, *, top: int = 128, at_once: int = 64) -> Tensor:
    """Scores by matching of the candidates that are likest; all others stay behind these, in their own order.

    Args:
        likeness: ``(Q, N)``.
        match: Gives scores of pairs; see :meth:`Retriever.match`.
        top: Candidates of each query that are matched; N or more ranks all of them by matching.
        at_once: Pairs that are matched at once.

    Returns:
        ``(Q, N)``, for ranking: within a row, and no further.
    """
    keep = min(top, likeness.shape[1])
    columns = likeness.topk(keep, dim=1).indices  # (Q, K)
    rows = torch.arange(len(likeness), device=likeness.device).unsqueeze(1).expand_as(columns)
    pairs = zip(rows.flatten().split(at_once), columns.flatten().split(at_once), strict=True)
    matched = torch.cat([match(row, column) for row, column in pairs]).unflatten(0, columns.shape).to(likeness.dtype)
    behind = likeness - likeness.amax(dim=1, keepdim=True) - 1 + matched.amin(dim=1, keepdim=True)
    return behind.scatter(1, columns, matched)
