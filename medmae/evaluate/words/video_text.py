"""Clips found by what is said of them, and the other way round: by likeness, by looking at pairs, beside baselines."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from medmae.data.samples import Samples
from medmae.errors import DataError
from medmae.evaluate.batches import each_batch
from medmae.evaluate.left_out import write_left_out
from medmae.evaluate.retrieval.evaluation import Similarity, evaluate_retrieval
from medmae.evaluate.words.captioned_units import CaptionedUnits, Said
from medmae.evaluate.words.found_cases import write_cases
from medmae.evaluate.words.plain_pairs import describe_clips, plain_similarities
from medmae.kinds import Kind
from medmae.methods.retrieval import Encoded, Retriever, rerank

LIKENESS, MATCHED = "likeness", "best {top} matched"


@torch.no_grad()
def evaluate_video_text(
    *,
    retriever: Retriever,
    held_out: Samples,
    train: Samples,
    out: str | Path,
    top: int = 0,
    device: torch.device | str = "cpu",
    batch_size: int = 16,
    cases: int = 3,
    resamples: int = 1000,
) -> dict[str, Any]:
    """Text to video and back; see :func:`medmae.evaluate.retrieval.evaluation.evaluate_retrieval`.

    Of several views of a video points are averaged, and what matching says of each. Beside it stand ridge regressions
    from plain features of clips to the words of captions, and from a few numbers of clips to the length of captions,
    both learnt from the training split.

    Args:
        retriever: Finds clips by sentences: a method.
        held_out: Clips with captions, of a view that draws nothing.
        train: Those that baselines learn from, likewise; if empty there are none but chance.
        out: Evaluation folder of a run.
        top: Candidates of each query that the matching layer ranks again; 0: none.
        device: Where to compute.
        batch_size: Samples, or pairs, at once.
        cases: How many of the best, typical and worst queries to show, of each way.
        resamples: Of the bootstrap.

    Returns:
        What ``retrieval.json`` holds.

    Raises:
        DataError: If no video can be read, or ``top`` is asked of what has no matching layer.
    """
    if top and not retriever.matches:
        raise DataError(
            "nothing here looks at pairs: there is no matching layer",
            field="top",
            value=top,
            remedy="rank by likeness alone (--top 0), or train with --matching 1",
        )
    assert isinstance(retriever, nn.Module)
    retriever.to(device).eval()
    units, failed, began = CaptionedUnits.of(held_out), dict[int, str](), time.perf_counter()
    (kind,) = (kind for name, kind in held_out.kinds.items() if name != "words")
    clips, places = _encode_clips(retriever, units, kind.name, device=device, batch_size=batch_size, left_out=failed)
    write_left_out(out, failed, of=len(units))
    if not places:
        raise DataError(
            f"none of {len(units)} videos can be read: {next(iter(failed.values()))}", remedy="prepare them again"
        )
    said = units.only(places)
    found = _Found(retriever, clips, *_encode_texts(retriever, said, units, device=device, batch_size=batch_size))
    contestants: dict[str, Similarity] = {LIKENESS: found.likeness()}
    told: dict[str, Any] = {}
    if top:
        encoded = time.perf_counter() - began
        contestants[MATCHED.format(top=top)], told = found.matched(top, at_once=batch_size)
        told["reranking"]["encoding_seconds"] = encoded
    baselines = _baselines(said, units, places, train, kind, batch_size=batch_size)
    record = evaluate_retrieval(
        contestants,
        rows=said.sentences,
        columns=said.clips,
        out=out,
        baselines=baselines,
        told={**told, "views": units.views},
        resamples=resamples,
    )
    shown = list(contestants.values())[-1]
    write_cases(shown, said, units, places, kind=kind, out=out, count=cases)
    return record


@dataclass(frozen=True)
class _Found:
    """Encoded clips, one a view, and distinct sentences; ``of`` says which sentence each caption is."""

    retriever: Retriever
    clips: Sequence[Encoded]
    sentences: Encoded
    of: np.ndarray

    @property
    def _points(self) -> Tensor:
        return torch.stack([view.points for view in self.clips]).mean(dim=0)

    def likeness(self) -> Similarity:
        """Of all captions and clips."""
        found = self.retriever.likeness(self.sentences.points, self._points).double().cpu().numpy()
        return Similarity.of(found[self.of])

    def matched(self, top: int, *, at_once: int) -> tuple[Similarity, dict[str, Any]]:
        """The best of each query ranked again, and what that cost."""
        like, began, pairs = self.retriever.likeness(self.sentences.points, self._points), time.perf_counter(), 0

        def match(rows: Tensor, columns: Tensor) -> Tensor:
            nonlocal pairs
            pairs += len(rows) * len(self.clips)
            scores = [self.retriever.match(view, self.sentences, rows, columns) for view in self.clips]
            return torch.stack(scores).mean(dim=0)

        of_texts = rerank(like, match, top=top, at_once=at_once)
        of_clips = rerank(like.T, lambda rows, columns: match(columns, rows), top=top, at_once=at_once)
        both = (each.double().cpu().numpy() for each in (of_texts, of_clips))
        rows, columns = next(both)[self.of], next(both)[:, self.of]
        cost = {"top": top, "pairs": pairs, "seconds": time.perf_counter() - began}
        return Similarity(of_rows=rows, of_columns=columns), {"reranking": cost}


def _encode_clips(
    retriever: Retriever,
    units: CaptionedUnits,
    name: str,
    *,
    device: torch.device | str,
    batch_size: int,
    left_out: dict[int, str],
) -> tuple[list[Encoded], list[int]]:
    """Clips of each view, and which videos could be read."""
    places: list[int] = []
    parts: list[list[Encoded]] = [[] for _ in range(units.views)]
    for numbers, batch in each_batch(units.samples, device=device, batch_size=batch_size, left_out=left_out):
        clip = batch[name] if "views" in batch else batch[name].unsqueeze(1)  # (B, V, C, T, H, W)
        for view, some in enumerate(parts):
            some.append(retriever.encode_clips(clip[:, view]))
        places += numbers
    if not places:
        return [], []
    joined = [
        Encoded(torch.cat([each.points for each in some]), torch.cat([each.tokens for each in some])) for some in parts
    ]
    return joined, places


def _encode_texts(
    retriever: Retriever, said: Said, units: CaptionedUnits, *, device: torch.device | str, batch_size: int
) -> tuple[Encoded, np.ndarray]:
    """Each distinct sentence once, and which of them every caption is."""
    distinct = list(dict.fromkeys(said.texts))
    words = units.words.encoded(distinct).words.to(device)  # (S, L)
    parts = [retriever.encode_words(some) for some in words.split(batch_size)]
    real = [each.real for each in parts if each.real is not None]
    joined = Encoded(
        torch.cat([each.points for each in parts]),
        torch.cat([each.tokens for each in parts]),
        torch.cat(real) if real else None,
    )
    number = {text: place for place, text in enumerate(distinct)}
    return joined, np.array([number[text] for text in said.texts])


def _baselines(
    said: Said, units: CaptionedUnits, places: Sequence[int], train: Samples, kind: Kind, *, batch_size: int
) -> Mapping[str, np.ndarray]:
    """Of all captions and clips; none where there is nothing to learn from."""
    if not len(train):
        return {}
    learnt, lost, unread = CaptionedUnits.of(train), dict[int, str](), dict[int, str]()
    from_clips = describe_clips(learnt, kind, batch_size=batch_size, left_out=lost)
    clips = describe_clips(units, kind, batch_size=batch_size, left_out=unread)
    if sorted(set(range(len(units))) - unread.keys()) != list(places):
        raise DataError("some videos could be read before, and not any more", remedy="run it again")
    read = [some for place, some in enumerate(learnt.captions) if place not in lost]
    return plain_similarities(said.texts, clips, learnt=read, from_clips=from_clips) if read else {}
