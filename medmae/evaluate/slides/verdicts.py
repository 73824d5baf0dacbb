"""What was said of slides, as tables: a row a tile, a slide, a patient."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from medmae.evaluate.tables import write_csv

Line = dict[str, object]


@dataclass(frozen=True, kw_only=True)
class SlideVerdict:
    """What was said of one slide.

    Attributes:
        case: The slide.
        patient: Whose it is.
        coords: Of its tiles, ``(N, 2)``.
        probabilities: ``(N, K)``.
    """

    case: str
    patient: str
    coords: np.ndarray
    probabilities: np.ndarray


def write_verdicts(folder: Path, verdicts: Sequence[SlideVerdict], classes: Sequence[str]) -> None:
    """Writes ``tiles.csv``, ``slides.csv`` and ``patients.csv``.

    A slide has the mean probabilities of its tiles, and the share of tiles of each class; a patient the means of their
    slides, each of which counts alike.
    """
    write_csv(folder / "tiles.csv", [row for verdict in verdicts for row in _tile_rows(verdict, classes)])
    write_csv(folder / "slides.csv", [_row([one], classes, slide=one.case) for one in verdicts])
    by_patient: dict[str, list[SlideVerdict]] = {}
    for verdict in verdicts:
        by_patient.setdefault(verdict.patient, []).append(verdict)
    write_csv(folder / "patients.csv", [_row(some, classes, slides=len(some)) for some in by_patient.values()])


def _tile_rows(verdict: SlideVerdict, classes: Sequence[str]) -> list[Line]:
    called = verdict.probabilities.argmax(axis=1)
    return [
        {
            "slide": verdict.case,
            "patient": verdict.patient,
            "x": x,
            "y": y,
            "predicted": classes[label],
            **{f"p_{name}": float(share) for name, share in zip(classes, shares, strict=True)},
        }
        for (x, y), label, shares in zip(verdict.coords.tolist(), called, verdict.probabilities, strict=True)
    ]


def _row(some: Sequence[SlideVerdict], classes: Sequence[str], **what: str | int) -> Line:
    means = np.mean([verdict.probabilities.mean(axis=0) for verdict in some], axis=0)  # (K,)
    kinds = np.arange(len(classes))
    shares = np.mean([(one.probabilities.argmax(axis=1)[:, None] == kinds).mean(axis=0) for one in some], axis=0)
    return {
        **what,
        "patient": some[0].patient,
        "tiles": sum(len(verdict.coords) for verdict in some),
        "predicted": classes[int(means.argmax())],
        **{f"p_{name}": float(mean) for name, mean in zip(classes, means, strict=True)},
        **{f"share_{name}": float(share) for name, share in zip(classes, shares, strict=True)},
    }
