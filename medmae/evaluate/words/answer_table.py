"""Answers to questions about clips: a table."""

from __future__ import annotations

from pathlib import Path

import torch

from medmae.data.samples import Samples
from medmae.errors import DataError, SomeFailedError
from medmae.evaluate.tables import write_csv
from medmae.evaluate.words.asked_units import AskedUnits
from medmae.evaluate.words.said import OWN, said_to
from medmae.methods.answering import VideoQuestionAnswering

TABLE = "answers.csv"


def answer_all(
    method: VideoQuestionAnswering,
    asked: Samples,
    *,
    out: str | Path,
    best: int = 3,
    batch_size: int = 16,
    device: torch.device | str = "cpu",
) -> Path:
    """Writes ``<out>/answers.csv``: ``case``, ``question``, ``rank``, ``answer``, ``probability``; views are averaged.

    Args:
        method: Answers.
        asked: Questions, of a view that draws nothing; they need no known answer.
        out: Folder.
        best: Answers of each question, or all that there are.
        batch_size: Samples at once.
        device: Where to compute.

    Raises:
        DataError: If no clip can be read.
        SomeFailedError: At the end, with the clips that cannot be read; the table holds the others.
    """
    units, failed = AskedUnits.of(asked), dict[int, str]()
    said = said_to(units, method, device=device, batch_size=batch_size, left_out=failed, controls=False)
    if not said.places:
        raise DataError(f"no clip can be read: {next(iter(failed.values()))}", remedy="prepare them again")
    rows = []
    for place, shares in zip(said.places, said.shares[OWN], strict=True):
        one = units.asked[place]
        names = one.question.choices if method.by == "choices" else method.answers
        for rank, number in enumerate(shares[: len(names)].argsort()[::-1][:best].tolist(), start=1):
            about = {"case": one.case, "question": one.question.text, "rank": rank}
            rows.append({**about, "answer": names[number], "probability": float(shares[number])})
    write_csv(Path(out) / TABLE, rows)
    if failed:
        lost = "; ".join(f"{asked.describe(number)['case']} ({reason})" for number, reason in failed.items())
        raise SomeFailedError(f"{len(failed)} of {len(asked)} samples were left out: {lost}")
    return Path(out) / TABLE
