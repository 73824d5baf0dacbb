"""Retrieval both ways between two kinds of things, beside chance and other baselines, with intervals over patients."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from medmae.evaluate.classify.retrieval import Retrieval, expected_ranks, standings
from medmae.evaluate.classify.scores import Fit, score_all
from medmae.evaluate.retrieval.entries import Entries, belonging
from medmae.evaluate.tables import write_csv
from medmae.files import write_text

RECORD, FOLDER = "retrieval.json", "retrieval"
CHANCE = "chance"
TASK = Retrieval(labels=())


@dataclass(frozen=True, kw_only=True)
class Similarity:
    """How similar things of two kinds are, as each way sees it; most see one matrix from two sides.

    Attributes:
        of_rows: For queries among the rows, ``(N, M)``.
        of_columns: For queries among the columns, ``(M, N)``.
    """

    of_rows: np.ndarray
    of_columns: np.ndarray

    @classmethod
    def of(cls, matrix: np.ndarray | Self) -> Self:
        """Of one matrix ``(N, M)``; one that knows both ways as it is."""
        return cls(of_rows=matrix, of_columns=matrix.T) if isinstance(matrix, np.ndarray) else matrix


Known = np.ndarray | Similarity


@dataclass(frozen=True, kw_only=True)
class Way:
    """Queries of one kind, and a gallery of the other in which equal contents stand once.

    Attributes:
        name: Such as ``text to video``.
        asked: Places of the queries, those to which something belongs.
        gallery: Places of what is ranked.
        belongs: Bool ``(Q, G)``.
        queries: All entries of the kind that asks.
        found: All of the other.
    """

    name: str
    asked: np.ndarray
    gallery: np.ndarray
    belongs: np.ndarray
    queries: Entries
    found: Entries

    @classmethod
    def between(cls, queries: Entries, found: Entries) -> Self:
        """One way.

        Raises:
            ValueError: If nothing belongs to any query, or both are of one kind.
        """
        if queries.kind == found.kind:
            raise ValueError(f"both kinds are called {queries.kind!r}: name them by what tells them apart")
        gallery = found.distinct
        belongs = belonging(queries, found)[:, gallery]
        asked = np.flatnonzero(belongs.any(axis=1))
        if not len(asked):
            raise ValueError(f"no {found.kind} belongs to any {queries.kind}: owners of the two never agree")
        return cls(
            name=f"{queries.kind} to {found.kind}",
            asked=asked,
            gallery=gallery,
            belongs=belongs[asked],
            queries=queries,
            found=found,
        )

    def of(self, similarity: np.ndarray) -> np.ndarray:
        """Of queries to the gallery, ``(Q, G)``, of the whole matrix."""
        wanted = (len(self.queries), len(self.found))
        if similarity.shape != wanted:
            raise ValueError(f"similarities from {self.name} are {wanted}, got {similarity.shape}")
        return similarity[self.asked][:, self.gallery]

    @property
    def patients(self) -> np.ndarray | None:
        """Of the queries, ``(Q,)``."""
        known = self.queries.patients
        return None if known is None else np.array(known, dtype=object).astype(str)[self.asked]


def both_ways(rows: Entries, columns: Entries) -> tuple[Way, Way]:
    """From rows to columns, and back."""
    return Way.between(rows, columns), Way.between(columns, rows)


def evaluate_retrieval(
    contestants: Mapping[str, Known],
    *,
    rows: Entries,
    columns: Entries,
    out: str | Path,
    baselines: Mapping[str, Known] | None = None,
    told: Mapping[str, Any] | None = None,
    resamples: int = 1000,
) -> dict[str, Any]:
    """Recall at 1, 5 and 10, median and mean rank, both ways.

    Every row, and every column, is a query once; what it is looked for in holds equal contents once, and whatever
    belongs to a query is right: any caption of a clip. Where similarities are tied, their order is random and figures
    are expected ones, so that the same similarity to all is chance, which stands beside as a baseline. Intervals draw
    patients, whose queries count more or less often; the gallery stays.

    Args:
        contestants: Similarities of rows ``(N)`` and columns ``(M)`` by name: ``(N, M)``, the more the better.
        rows: Of one kind, such as texts.
        columns: Of another.
        out: Evaluation folder of a run: receives ``retrieval.json``, ``retrieval/scores.csv``, ``retrieval/ranks.csv``.
        baselines: What they must beat, beside chance.
        told: What else the record is to hold, such as what re-ranking cost.
        resamples: Of the bootstrap.

    Returns:
        What ``retrieval.json`` holds: ``tasks`` by way, each with ``scores`` as
        :func:`medmae.evaluate.classify.scores.score_all` gives them, and sizes of gallery and queries.

    Raises:
        ValueError: If there is no contestant, names repeat, a matrix has another shape, or a similarity is NaN.
    """
    plain = {**(baselines or {}), CHANCE: np.zeros((len(rows), len(columns)))}
    if not contestants or contestants.keys() & plain.keys():
        raise ValueError(f"give contestants, under other names than {list(plain)}; got {list(contestants)}")
    known = {name: Similarity.of(each) for name, each in {**contestants, **plain}.items()}
    tasks, ranked = {}, list[dict[str, object]]()
    for way, side in zip(both_ways(rows, columns), ("of_rows", "of_columns"), strict=True):
        own = {name: way.of(getattr(each, side)) for name, each in known.items()}
        where = {name: standings(each, way.belongs) for name, each in own.items()}
        tasks[way.name] = _record(way, where, baselines=list(plain), resamples=resamples)
        ranked += [row for name in own for row in _ranks(way, name, own[name], where[name])]
    record = {"tasks": tasks, **(told or {})}
    write_csv(Path(out) / FOLDER / "scores.csv", [row for name, task in tasks.items() for row in _scores(name, task)])
    write_csv(Path(out) / FOLDER / "ranks.csv", ranked)
    write_text(Path(out) / RECORD, json.dumps(record, indent=2))  # last: it is there only when all is
    return record


def _record(way: Way, where: Mapping[str, np.ndarray], *, baselines: list[str], resamples: int) -> dict[str, Any]:
    count, patients = len(way.asked), way.patients
    fits = {
        name: [Fit(seed=0, fold=0, samples=np.arange(count), predictions=standing)] for name, standing in where.items()
    }
    return {
        "task": TASK.about(),
        "definitions": dict(TASK.definitions),
        "queries": count,
        "never_asked": len(way.queries) - count,
        "gallery": len(way.gallery),
        "equal": len(way.found) - len(way.gallery),
        "belonging": float(way.belongs.sum(axis=1).mean()),
        "unit": "query" if patients is None else "patient",
        "baselines": baselines,
        "scores": score_all(
            fits,
            np.zeros(count, dtype=np.int64),
            task=TASK,
            groups=patients,
            pool_folds=False,
            baselines=baselines,
            resamples=resamples,
        ),
    }


def _scores(way: str, record: Mapping[str, Any]) -> Iterator[dict[str, object]]:
    for name, found in record["scores"].items():
        for metric, figure in found["metrics"].items():
            gain = found.get("gains", {}).get(metric, {})
            yield {
                "way": way,
                "contestant": name,
                "baseline": name in record["baselines"],
                "metric": metric,
                **{key: figure[key] for key in ("mean", "ci_low", "ci_high")},
                "chance": record["scores"][CHANCE]["metrics"][metric]["mean"],
                **{f"gain_{key}": gain.get(key) for key in ("over", "mean", "ci_low", "ci_high")},
                "queries": record["queries"],
                "gallery": record["gallery"],
                f"{record['unit']}s": figure["n_units"],
            }


def _ranks(way: Way, name: str, similarity: np.ndarray, standing: np.ndarray) -> Iterator[dict[str, object]]:
    first, ranks = similarity.argmax(axis=1), expected_ranks(standing)
    for place, query in enumerate(way.asked.tolist()):
        yield {
            "way": way.name,
            "contestant": name,
            "query": way.queries.name(query),
            "patient": "" if way.queries.patients is None else way.queries.patients[query],
            "belong": int(way.belongs[place].sum()),
            "rank": float(ranks[place]),
            "tied": bool(standing[place, 1] > 0),
            "most_similar": way.found.name(int(way.gallery[first[place]])),
        }
