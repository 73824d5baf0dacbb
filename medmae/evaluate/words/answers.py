"""Questions answered by a method, beside baselines that see no clip, little of it, or no network."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import Subset

from medmae.data.samples import Samples
from medmae.data.video.answer_list import spelt
from medmae.errors import DataError
from medmae.evaluate.classify.plain_features import describe_images, plain_features
from medmae.evaluate.classify.scores import Fit, score_all
from medmae.evaluate.left_out import write_left_out
from medmae.evaluate.tables import write_csv
from medmae.evaluate.words.answer_task import AnswerAccuracy
from medmae.evaluate.words.asked_cases import write_cases
from medmae.evaluate.words.asked_units import Asked, AskedUnits
from medmae.evaluate.words.plain_answers import Learnt, plain_answers
from medmae.evaluate.words.said import OWN, answer_of, said_to
from medmae.files import write_text
from medmae.kinds import Kind
from medmae.methods.answering import VideoQuestionAnswering
from medmae.tokens.text import WORDS

RECORD, FOLDER = "answers.json", "answers"
CHANCE = "chance"
Answers = Mapping[str, Sequence[str]]  # of each question, by who gives them


def evaluate_answers(
    *,
    method: VideoQuestionAnswering,
    held_out: Samples,
    train: Samples,
    out: str | Path,
    device: torch.device | str = "cpu",
    batch_size: int = 16,
    cases: int = 3,
    resamples: int = 1000,
) -> dict[str, Any]:
    """Accuracy by exact match, any accepted answer counting, by type of answer and of all.

    As controls the method is shown the middle frame alone, all the time, and the clip of another case: what it answers
    without the order of frames, and without the clip. Both are no baselines, for it was not trained so. Intervals draw
    patients.

    Args:
        method: Answers.
        held_out: Questions with known answers, of a view that draws nothing.
        train: Those that baselines learn from, likewise; if empty there are none.
        out: Evaluation folder of a run: receives ``answers.json``, ``answers/scores.csv``, ``answers/answers.csv``.
        device: Where to compute.
        batch_size: Samples at once.
        cases: How many of the surest right, surest wrong and least sure answers to show.
        resamples: Of the bootstrap.

    Returns:
        What ``answers.json`` holds: ``tasks`` with ``scores`` as :func:`medmae.evaluate.classify.scores.score_all`
        gives them.

    Raises:
        DataError: If no clip can be read.
    """
    units, failed = AskedUnits.of(held_out), dict[int, str]()
    said = said_to(units, method, device=device, batch_size=batch_size, left_out=failed)
    write_left_out(out, failed, of=len(held_out))
    if not said.places:
        raise DataError(
            f"none of {len(units)} questions' clips can be read: {next(iter(failed.values()))}",
            remedy="prepare them again",
        )
    asked = [units.asked[place] for place in said.places]
    ours = {
        name: [answer_of(one, row, method) for one, row in zip(asked, shares, strict=True)]
        for name, shares in said.shares.items()
    }
    plain = _baselines(units, said.places, train, choices=method.by == "choices", batch_size=batch_size)
    record = _record(ours, plain, asked, method, resamples=resamples)
    write_csv(Path(out) / FOLDER / "scores.csv", list(_scores(record)))
    write_csv(Path(out) / FOLDER / "answers.csv", list(_rows(asked, ours, plain, said.shares[OWN])))
    write_cases(units, said.places, said.shares[OWN], ours[OWN], out=out, count=cases)
    whole = {"tasks": {"multiple choice" if method.by == "choices" else "open questions": record}}
    write_text(Path(out) / RECORD, json.dumps(whole, indent=2))  # last: it is there only when all is
    return whole


def _baselines(
    units: AskedUnits, places: Sequence[int], train: Samples, *, choices: bool, batch_size: int
) -> dict[str, list[str]]:
    if not len(train):
        return {}
    learnt = AskedUnits.of(train)
    (name, kind) = next((name, kind) for name, kind in train.kinds.items() if name != WORDS.name)
    known, own = _described(learnt, range(len(learnt)), name, kind, batch_size=batch_size)
    _, tested = _described(units, places, name, kind, batch_size=batch_size)
    asked = [learnt.asked[place] for place in known]
    if not asked:
        return {}
    return plain_answers(
        Learnt(asked=asked, features=own), [units.asked[place] for place in places], tested, choices=choices
    )


def _described(
    units: AskedUnits, places: Sequence[int], name: str, kind: Kind, *, batch_size: int
) -> tuple[list[int], dict[str, np.ndarray]]:
    """Which questions' clips can be read, by their first view, and their plain features."""
    lost: dict[int, str] = {}
    some = Subset(units.samples, [units.first[place] for place in places])
    found = describe_images([some], by=plain_features(kind), name=name, batch_size=batch_size, left_out=lost)
    return [place for number, place in enumerate(places) if number not in lost], found


def _record(
    ours: Answers, plain: Answers, asked: Sequence[Asked], method: VideoQuestionAnswering, *, resamples: int
) -> dict[str, Any]:
    types = [one.type for one in asked]
    task = AnswerAccuracy(types=[name for name, _ in Counter(types).most_common()])
    right = {name: _right(some, asked) for name, some in {OWN: ours[OWN], **plain}.items()}
    if method.by == "choices":
        right[CHANCE] = np.array([1 / len(one.choices) for one in asked])
    scoring = _Scoring(task, np.array([task.types.index(name) for name in types]), asked, resamples)
    known = set(map(spelt, method.answers))
    listed = [not known.isdisjoint(one.answers) for one in asked] if known else [True]
    return {
        "task": task.about(),
        "definitions": dict(task.definitions),
        "questions": len(asked),
        "distinct": len({one.text for one in asked}),
        "videos": len({one.case for one in asked}),
        "types": dict(Counter(types)),
        "listed": len(method.answers),
        "answerable": float(np.mean(listed)),
        "unit": "patient",
        "baselines": [name for name in right if name != OWN],
        "scores": scoring.of(right, range(len(asked))),
        "controls": {
            name: scoring.control(name, right[OWN], _right(some, asked), [n for n, said in enumerate(some) if said])
            for name, some in ours.items()
            if name != OWN and any(some)
        },
    }


def _right(answers: Sequence[str], asked: Sequence[Asked]) -> np.ndarray:
    return np.array([one.is_right(answer) for one, answer in zip(asked, answers, strict=True)], dtype=float)


@dataclass(frozen=True)
class _Scoring:
    """Who is right how often: figures over patients.

    Attributes:
        task: Of all.
        types: Number of the type of each question, ``(N,)``.
        asked: N of them.
        resamples: Of the bootstrap.
    """

    task: AnswerAccuracy
    types: np.ndarray
    asked: Sequence[Asked]
    resamples: int

    def of(self, right: Mapping[str, np.ndarray], places: Sequence[int]) -> dict[str, Any]:
        """Figures of everyone ``(N,)``, on some questions; all but the network are what it must beat."""
        own = np.array(places)
        fits = {
            name: [Fit(seed=0, fold=0, samples=np.arange(len(own)), predictions=each[own, None])]
            for name, each in right.items()
        }
        groups = np.array([self.asked[place].subject for place in places])
        baselines = [name for name in right if name != OWN]
        return score_all(
            fits,
            self.types[own],
            task=self.task,
            groups=groups,
            pool_folds=False,
            baselines=baselines,
            resamples=self.resamples,
        )

    def control(self, name: str, own: np.ndarray, other: np.ndarray, places: Sequence[int]) -> dict[str, Any]:
        """What the network says to something else, and what its own clip gains over that."""
        found = self.of({OWN: own, name: other}, places)
        return {**found[name], "gains": found[OWN]["gains"], "questions": len(places)}


def _scores(record: Mapping[str, Any]) -> Iterator[dict[str, object]]:
    for name, found in record["scores"].items():
        for metric, figure in found["metrics"].items():
            gain = found.get("gains", {}).get(metric, {})
            yield {
                "contestant": name,
                "baseline": name in record["baselines"],
                "metric": metric,
                **{key: figure[key] for key in ("mean", "ci_low", "ci_high")},
                **{f"gain_{key}": gain.get(key) for key in ("over", "mean", "ci_low", "ci_high")},
                "questions": record["questions"],
                "patients": figure["n_units"],
            }


def _rows(
    asked: Sequence[Asked],
    ours: Answers,
    plain: Answers,
    shares: np.ndarray,
) -> Iterator[dict[str, object]]:
    for place, one in enumerate(asked):
        said = {name: some[place] for name, some in {**ours, **plain}.items()}
        yield {
            "case": one.case,
            "patient": one.subject,
            "id": one.question.id or "",
            "type": one.type,
            "question": one.question.text,
            "accepted": " | ".join(one.question.answers),
            "answer": said[OWN],
            "probability": float(shares[place].max()),
            "right": one.is_right(said[OWN]),
            **{f"answer of {name}": answer for name, answer in said.items() if name != OWN},
        }
