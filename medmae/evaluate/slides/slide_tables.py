"""What was said of slides, as tables: a row a tile, a slide, a patient."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from medmae.evaluate.tables import write_csv

Line = dict[str, object]


@dataclass(frozen=True, kw_only=True)
class SlideProbabilities:
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


def write_slide_tables(folder: Path, slides: Sequence[SlideProbabilities], classes: Sequence[str]) -> None:
    """Writes ``tiles.csv``, ``slides.csv`` and ``patients.csv``.

    A slide has the mean probabilities of its tiles, and the share of tiles of each class; a patient the means of their
    slides, each of which counts alike.
    """
    write_csv(folder / "tiles.csv", [row for slide in slides for row in _tile_rows(slide, classes)])
    write_csv(folder / "slides.csv", [_row([one], classes, slide=one.case) for one in slides])
    by_patient: dict[str, list[SlideProbabilities]] = {}
    for slide in slides:
        by_patient.setdefault(slide.patient, []).append(slide)
    write_csv(folder / "patients.csv", [_row(some, classes, slides=len(some)) for some in by_patient.values()])


def _tile_rows(slide: SlideProbabilities, classes: Sequence[str]) -> list[Line]:
    called = slide.probabilities.argmax(axis=1)
    return [
        {
            "slide": slide.case,
            "patient": slide.patient,
            "x": x,
            "y": y,
            "predicted": classes[label],
            **{f"p_{name}": float(share) for name, share in zip(classes, shares, strict=True)},
        }
        for (x, y), label, shares in zip(slide.coords.tolist(), called, slide.probabilities, strict=True)
    ]


def _row(some: Sequence[SlideProbabilities], classes: Sequence[str], **what: str | int) -> Line:
    means = np.mean([slide.probabilities.mean(axis=0) for slide in some], axis=0)  # (K,)
    kinds = np.arange(len(classes))
    shares = np.mean([(one.probabilities.argmax(axis=1)[:, None] == kinds).mean(axis=0) for one in some], axis=0)
    return {
        **what,
        "patient": some[0].patient,
        "tiles": sum(len(slide.coords) for slide in some),
        "predicted": classes[int(means.argmax())],
        **{f"p_{name}": float(mean) for name, mean in zip(classes, means, strict=True)},
        **{f"share_{name}": float(share) for name, share in zip(classes, shares, strict=True)},
    }
