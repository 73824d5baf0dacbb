"""Finding pictures by their sound, and sounds by their pictures: any two kinds of data of one sample."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from medmae.data.samples import Samples
from medmae.errors import DataError
from medmae.evaluate.batches import each_batch
from medmae.evaluate.classify.plain_features import describe_kinds, plain_features
from medmae.evaluate.left_out import write_left_out
from medmae.evaluate.retrieval.entries import Entries
from medmae.evaluate.retrieval.evaluation import evaluate_retrieval
from medmae.evaluate.retrieval.linear_map import mapped_similarity

LIKENESS, LINEAR = "likeness", "linear map"


class Comparing(Protocol):
    """A method that brings kinds of data to points in which they are compared."""

    def points(self, batch: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """``(B, D)`` by kind, of whole samples."""


def evaluate_kinds_found(
    method: Comparing,
    *,
    held_out: Samples,
    train: Samples,
    between: tuple[str, str],
    out: str | Path,
    device: torch.device | str = "cpu",
    batch_size: int = 32,
) -> dict[str, Any]:
    """Recall and ranks both ways between two kinds, of samples that have both.

    Beside it chance, and a linear map between what can be said of each kind without a network, learnt on ``train``.

    Args:
        method: Trained.
        held_out: Samples of other patients, of a view that draws nothing and gives each recording once.
        train: What the linear map learns from, likewise.
        between: Names of the two kinds.
        out: Evaluation folder of a run; see :func:`medmae.evaluate.retrieval.evaluation.evaluate_retrieval`.
        device: Where to compute.
        batch_size: Samples at once.

    Raises:
        DataError: If fewer than two held-out samples, or training samples, have both kinds.
    """
    first, second = between
    by = {name: _telling(plain_features(held_out.kinds[name])) for name in between}
    learnt, _ = _described(train, by, batch_size)
    asked, lost = _described(held_out, by, batch_size, out=out)
    kept = [number for number in range(len(held_out)) if number not in lost]
    points = _points(method, held_out, kept, device=device, batch_size=batch_size)
    abouts = [held_out.describe(number) for number in kept]
    told = {"owners": [f"{one.case} {number}" for number, one in enumerate(abouts)], "names": [a.case for a in abouts]}
    patients = [one.subject for one in abouts] if held_out.source.unit == "patients" else None
    return evaluate_retrieval(
        {LIKENESS: points[first] @ points[second].T},
        rows=Entries(kind=first, patients=patients, **told),
        columns=Entries(kind=second, patients=patients, **told),
        out=out,
        baselines={LINEAR: mapped_similarity(learnt[first], learnt[second], asked=asked[first], gallery=asked[second])},
    )


def _telling(by: Mapping[str, Any]) -> dict[str, Any]:
    """The last description before raw data."""
    name = list(by)[-2]
    return {name: by[name]}


def _described(
    samples: Samples, by: Mapping[str, Mapping[str, Any]], batch_size: int, *, out: str | Path | None = None
) -> tuple[dict[str, np.ndarray], dict[int, str]]:
    failed, lacking = dict[int, str](), dict[int, str]()
    found = describe_kinds([samples], by=by, batch_size=batch_size, left_out=failed, lacking=lacking)
    lost = failed | lacking
    if len(samples) - len(lost) < 2:
        raise DataError(
            f"{len(samples) - len(lost)} of {len(samples)} samples have {' and '.join(by)}: nothing can be looked for",
            path=samples.source.path,
            field="split",
            value=samples.split,
            remedy="prepare more recordings that have both",
        )
    if out is not None:
        write_left_out(out, failed, of=len(samples), lacking=lacking)
    return {name: next(iter(own.values())) for name, own in found.items()}, lost


@torch.no_grad()
def _points(
    method: Comparing, samples: Samples, numbers: list[int], *, device: torch.device | str, batch_size: int
) -> dict[str, np.ndarray]:
    """Of unit length, ``(N, D)`` by kind."""
    assert isinstance(method, nn.Module)
    method.to(device).eval()
    parts: dict[str, list[Tensor]] = {}
    for _, batch in each_batch(samples, numbers=numbers, device=device, batch_size=batch_size):
        for name, rows in method.points(batch).items():
            parts.setdefault(name, []).append(F.normalize(rows.float(), dim=1).cpu())
    return {name: torch.cat(rows).numpy() for name, rows in parts.items()}
