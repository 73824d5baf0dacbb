"""Clips looked up by sentences: a table."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import nn

from medmae.data.samples import Samples
from medmae.errors import DataError, SomeFailedError
from medmae.evaluate.batches import each_batch, over_views
from medmae.evaluate.features.views_of_units import ViewsOfUnits
from medmae.evaluate.tables import write_csv
from medmae.methods.retrieval import Retriever
from medmae.tokens.text import Vocabulary

TABLE = "found.csv"


@torch.no_grad()
def look_up(
    queries: Sequence[str],
    *,
    retriever: Retriever,
    vocabulary: Vocabulary,
    clips: Samples,
    out: str | Path,
    best: int = 10,
    max_words: int = 32,
    batch_size: int = 16,
    device: torch.device | str = "cpu",
) -> Path:
    """Writes ``<out>/found.csv``: ``query``, ``rank``, ``case``, ``likeness``; of several views points are averaged.

    Args:
        queries: Sentences.
        retriever: Finds clips by sentences; a method.
        vocabulary: By which its words are read.
        clips: Of a view that draws nothing; they need no caption.
        out: Folder.
        best: How many clips of each sentence, or all that there are.
        max_words: Longer sentences lose their end, which is told.
        batch_size: Clips at once.
        device: Where to compute.

    Raises:
        DataError: If there is no query, or no clip can be read.
        SomeFailedError: At the end, with the clips that cannot be read; the table holds the others.
    """
    if not queries:
        raise DataError("there is nothing to look for", field="queries", remedy="give sentences")
    assert isinstance(retriever, nn.Module)
    retriever.to(device).eval()
    found = vocabulary.encode(queries, max_words=max_words)
    if found.cut or found.unknown:
        warnings.warn(f"{found.cut} queries lose their end; {found.unknown} words are not known", stacklevel=2)
    units, failed = ViewsOfUnits.of(clips) or clips, dict[int, str]()
    (name,), places, points = clips.kinds, list[int](), []
    for numbers, batch in each_batch(units, device=device, batch_size=batch_size, left_out=failed):
        points.append(over_views(batch, lambda clip: retriever.encode_clips(clip).points, name=name))
        places += numbers
    if not places:
        raise DataError(f"no clip can be read: {next(iter(failed.values()))}", remedy="prepare them again")
    sentences = retriever.encode_words(found.words.to(device)).points
    likeness = retriever.likeness(sentences, torch.cat(points)).cpu()  # (Q, N)
    order = likeness.argsort(dim=1, descending=True, stable=True)[:, :best].tolist()
    rows = [
        {
            "query": query,
            "rank": rank,
            "case": units.describe(places[one])["case"],
            "likeness": float(likeness[number, one]),
        }
        for number, query in enumerate(queries)
        for rank, one in enumerate(order[number], start=1)
    ]
    write_csv(Path(out) / TABLE, rows)
    if failed:
        lost = "; ".join(f"{units.describe(number)['case']} ({reason})" for number, reason in failed.items())
        raise SomeFailedError(f"{len(failed)} of {len(units)} clips were left out: {lost}")
    return Path(out) / TABLE
