"""What each kind of evaluation leaves in a run, and how the page shows it: a list that the rooms fill themselves."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from medmae.report.folder import RunFolder
from medmae.report.page import Card, Section

SectionBuilder = Callable[[RunFolder], Section | None]
# The rooms import the report's parts, and the report finds the rooms by their name: it needs none of them to stand.
_ROOMS, _SUFFIX = "medmae.evaluate", "_section"


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """One kind of evaluation.

    A builder reads the run and gives None (of cards or notes: nothing) where it has nothing to say of it.

    Attributes:
        name: Of the kind.
        files: What it writes below ``<run>/evaluation``, as glob patterns. The next evaluation of the same run
            directory removes them first, for the page would show them as its own.
        scores: Which of these is its table of scores, a row a case; empty if it has none.
        sections: Builders by their place on the page: the page's own stand at 890 (the run), 900 (training), 910
            (data) and 930 (provenance).
        cards: Rows of headline figures.
        notes: What a reader must know before believing a figure.
        stands_in: Whether a run holds results of this kind that stand in the place of reconstructions.
        verdict: Whether it is better than what needs no network: the first words below the title.
        sentence: The sentence below the title, if it is not that of a pre-training.
        aim: What a network was trained to do, as it goes on after "was trained", likewise.
        tells_cohort: True if it says itself on whom it was tested.
    """

    name: str
    files: tuple[str, ...]
    scores: str = ""
    sections: Mapping[int, SectionBuilder] = field(default_factory=dict)
    cards: Callable[[RunFolder], list[list[Card]]] = lambda _: []
    notes: Callable[[RunFolder], list[str]] = lambda _: []
    stands_in: Callable[[RunFolder], bool] = lambda _: False
    verdict: Callable[[RunFolder], str] = lambda _: ""
    sentence: Callable[[RunFolder], str] = lambda _: ""
    aim: Callable[[RunFolder], str] = lambda _: ""
    tells_cohort: bool = False


_EVALUATIONS: dict[str, Evaluation] = {}


def register(evaluation: Evaluation) -> Evaluation:
    """Enters a kind of evaluation in the list.

    Raises:
        ValueError: If another one has its name, or a place on the page.
    """
    others = [known for name, known in _EVALUATIONS.items() if name != evaluation.name]
    taken = sorted({place for known in others for place in known.sections} & evaluation.sections.keys())
    if taken:
        raise ValueError(f"{evaluation.name} wants places on the page that others have: {taken}")
    _EVALUATIONS[evaluation.name] = evaluation
    return evaluation


def evaluations() -> list[Evaluation]:
    """All kinds, in the order of the page; importing every ``*_section`` file of ``medmae.evaluate`` finds them."""
    _import_rooms()
    return sorted(_EVALUATIONS.values(), key=lambda known: min(known.sections, default=0))


def read_run(run: str | Path) -> RunFolder:
    """Reads a run directory with the table of scores of whichever evaluation was done.

    Raises:
        DataError: See :meth:`RunFolder.read`.
    """
    tables = [known.scores for known in reversed(evaluations()) if known.scores]
    return RunFolder.read(run, score_tables=tables)


def stands_in(folder: RunFolder) -> bool:
    """Whether results of some kind stand in the place of reconstructions."""
    return any(known.stands_in(folder) for known in evaluations())


@cache
def _import_rooms() -> None:
    rooms = importlib.import_module(_ROOMS)
    for module in pkgutil.walk_packages(rooms.__path__, f"{_ROOMS}."):
        if module.name.endswith(_SUFFIX):
            importlib.import_module(module.name)
