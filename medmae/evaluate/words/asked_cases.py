"""Questions to look at: the surest right, the surest wrong and the least sure answers, with their clips."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from medmae.evaluate.reconstruct.panels import write_panels
from medmae.evaluate.words.asked_units import AskedUnits
from medmae.report.draw import draw, facts
from medmae.tokens.text import WORDS

FOLDER = "asked_cases"


def write_cases(
    units: AskedUnits,
    places: Sequence[int],
    shares: np.ndarray,
    answers: Sequence[str],
    *,
    out: str | Path,
    count: int = 3,
) -> None:
    """Writes ``asked_cases/panels.json`` and ``panels.npz``.

    Args:
        units: Questions;
        places: which of them were answered.
        shares: Of answers, or choices, ``(N, K)``.
        answers: The likeliest of each, as answers are compared.
        out: Evaluation folder of a run.
        count: Of each sort, of as many cases as there are.
    """
    (name, kind) = next((name, kind) for name, kind in units.samples.kinds.items() if name != WORDS.name)
    asked = [units.asked[place] for place in places]
    sure = shares.max(axis=1)
    right = np.array([one.is_right(answer) for one, answer in zip(asked, answers, strict=True)])
    sorts = {
        "surest, right": np.flatnonzero(right)[np.argsort(-sure[right], kind="stable")],
        "surest, wrong": np.flatnonzero(~right)[np.argsort(-sure[~right], kind="stable")],
        "least sure": np.argsort(sure, kind="stable"),
    }
    rows: list[tuple[dict[str, Any], dict[str, np.ndarray]]] = []
    shown: set[int] = set()
    for which, order in sorts.items():
        for place in _spread(order.tolist(), [one.case for one in asked], shown, count=count):
            one, image = asked[place], units.samples[units.first[places[place]]][name]
            told = {
                "case": one.case,
                "subject": one.subject,
                "which": which,
                "question": one.question.text,
                "choices": list(one.question.choices) if units.view.by == "choices" else [],
                "accepted": list(one.question.answers),
                "answer": answers[place],
                "right": bool(right[place]),
                "probability": float(sure[place]),
            }
            rows.append(({**told, **facts(kind, image)}, {"clip": draw(kind, image)}))
    write_panels(Path(out) / FOLDER, rows)


def _spread(order: Sequence[int], cases: Sequence[str], shown: set[int], *, count: int) -> list[int]:
    """The first of an order, none twice, of other cases as long as there are some."""
    left = [place for place in order if place not in shown]
    seen: set[str] = set()
    first = [place for place in left if cases[place] not in seen and not seen.add(cases[place])]  # type: ignore[func-returns-value]
    chosen = [*first, *(place for place in left if place not in first)][:count]
    shown.update(chosen)
    return chosen
