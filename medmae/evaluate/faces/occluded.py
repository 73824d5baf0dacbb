"""Occlusions of an evaluation: the same for whoever is judged; a function of case, kind, level and seed."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence

import torch
from torch import Tensor

from medmae.masking.face_shapes import JITTERS
from medmae.masking.occlusion import Occlusion, block_edges, occlude


def hidden_at(
    kind: Occlusion,
    level: float,
    *,
    cases: Sequence[str],
    grid: Sequence[int],
    landmarks: Tensor | None = None,
    seed: int = 0,
) -> Tensor:
    """Which patches of each case are hidden, bool ``(B, N)``; nothing else of a batch matters.

    Args:
        kind: Of the occlusion.
        level: Share of patches, in (0, 1); 0 hides nothing.
        cases: B names.
        grid: Rows and columns of patches.
        landmarks: ``(B, 68, 2)`` in shares of the crop; None: those of a mean face.
        seed: Another one draws others.
    """
    tokens = math.prod(grid)
    if level == 0:
        return torch.zeros(len(cases), tokens, dtype=torch.bool)
    rows = []
    for place, case in enumerate(cases):
        noise = torch.rand(1, 1 + tokens + JITTERS, generator=_generator(case, kind, level, seed))
        own = None if landmarks is None else landmarks[place : place + 1]
        edges = block_edges(grid=grid, level=level, stretch=float(noise[0, 0]))
        count = round(level * tokens)
        rows.append(occlude([kind], grid=grid, edges=edges, count=count, noise=noise[:, 1:], landmarks=own))
    return torch.cat(rows)


def _generator(case: str, kind: str, level: float, seed: int) -> torch.Generator:
    digest = hashlib.sha256(f"{case}\0{kind}\0{level:.4f}\0{seed}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "big") >> 1)
