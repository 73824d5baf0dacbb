"""Queries to look at: the best, typical and worst both ways, with what was found first and what should have been."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from medmae.evaluate.classify.retrieval import expected_ranks, standings
from medmae.evaluate.reconstruct.panels import write_panels
from medmae.evaluate.retrieval.evaluation import Similarity, Way, both_ways
from medmae.evaluate.words.captioned_units import CaptionedUnits, Said
from medmae.kinds import Kind
from medmae.report.draw import draw, facts

FOLDER = "found_cases"
SHOWN = 3  # of what was found first
BELONGS = "belongs"  # a strip of what should have been found first, or of a clip that asks
_ORDER = ("best", "typical", "worst")


def write_cases(
    similarity: Similarity,
    said: Said,
    units: CaptionedUnits,
    places: Sequence[int],
    *,
    kind: Kind,
    out: str | Path,
    count: int = 3,
) -> None:
    """Writes ``found_cases/panels.json`` and ``panels.npz``.

    Args:
        similarity: Of sentences (rows) and clips.
        said: What these are.
        units: Their videos;
        places: which of these the clips are.
        kind: Of a clip.
        out: Evaluation folder of a run.
        count: Of the best, of typical and of the worst, each of another patient as far as there are some.
    """
    rows: list[tuple[dict[str, Any], dict[str, np.ndarray]]] = []
    to_clips, to_texts = both_ways(said.sentences, said.clips)
    for way, matrix in ((to_clips, similarity.of_rows), (to_texts, similarity.of_columns)):
        found = way.of(matrix)
        ranks = expected_ranks(standings(found, way.belongs))
        for which, query in _chosen(ranks, way, count=count):
            first = np.argsort(-found[query], kind="stable")[:SHOWN].tolist()
            right = int(np.argmax(np.where(way.belongs[query], found[query], -np.inf)))
            told = {
                "way": way.name,
                "which": which,
                "query": way.queries.name(int(way.asked[query])),
                "rank": float(ranks[query]),
                "gallery": len(way.gallery),
                "first": [
                    {"name": way.found.name(int(way.gallery[one])), "right": bool(way.belongs[query, one])}
                    for one in first
                ],
                "right": way.found.name(int(way.gallery[right])),
            }
            shown = {f"found_{place}": one for place, one in enumerate(first, start=1)}
            shown |= {} if right in first else {BELONGS: right}  # which stands among the first, or beside them
            clips = {name: int(way.gallery[one]) for name, one in shown.items()}
            clips = clips if way is to_clips else {BELONGS: int(way.asked[query])}
            rows.append(_drawn(told, clips, units, places, kind=kind))
    write_panels(Path(out) / FOLDER, rows)


def _chosen(ranks: np.ndarray, way: Way, *, count: int) -> list[tuple[str, int]]:
    """Queries of the least, the median and the greatest rank; of equals those of patients who were not shown yet."""
    orders = (ranks, np.abs(ranks - np.median(ranks)), -ranks)
    found: list[tuple[str, int]] = []
    shown: Counter[str] = Counter()
    for which, order in zip(_ORDER, orders, strict=True):
        for _ in range(count):
            left = sorted(set(range(len(ranks))) - {place for _, place in found})
            if not left:
                return found
            place = min(left, key=lambda one: (order[one], shown[_patient(way, one)], one))
            shown[_patient(way, place)] += 1
            found.append((which, place))
    return found


def _patient(way: Way, place: int) -> str:
    return "" if way.patients is None else str(way.patients[place])


def _drawn(
    told: dict[str, Any], clips: Mapping[str, int], units: CaptionedUnits, places: Sequence[int], *, kind: Kind
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Film strips of clips, by their names."""
    pictures = {}
    for name, clip in clips.items():
        sample = units.samples[places[clip]]
        image = sample[kind.name][0] if "views" in sample else sample[kind.name]
        told |= facts(kind, image)
        pictures[name] = draw(kind, image)
    return told, pictures
