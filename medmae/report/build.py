"""From a run directory to the page: the sections in the order in which a reader asks for them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from medmae import __version__
from medmae.report.cohort import cohort
from medmae.report.definitions import definitions
from medmae.report.few_labels import few_label_cards, few_label_notes, few_labels
from medmae.report.folder import RunFolder
from medmae.report.gallery import gallery
from medmae.report.headline import result_cards, size_cards, summary_sentence, warnings
from medmae.report.images import attention
from medmae.report.montages import montages
from medmae.report.page import Card, Report, Section
from medmae.report.pathology import embedding_map, heatmaps, stains
from medmae.report.protocol import protocol, segmentation
from medmae.report.provenance import provenance
from medmae.report.results import results
from medmae.report.spread import spread
from medmae.report.synthesis import synthesis, synthesis_cards, synthesis_notes, worst_slices
from medmae.report.training import training

FOOTER = (
    f"medmae {__version__}. Research software, not for diagnosis. "
    "What a network draws is synthetic: it shows what the network expects, not what a patient has."
)
# To show another kind of evaluation, add its builders here. A builder reads the run and gives None (a card or note
# builder: nothing) where it has nothing to say of it.
SECTIONS: tuple[Callable[[RunFolder], Section | None], ...] = (
    gallery,
    results,
    few_labels,
    protocol,
    segmentation,
    heatmaps,
    attention,
    embedding_map,
    stains,
    montages,
    synthesis,
    worst_slices,
    spread,
    training,
    cohort,
    definitions,
    provenance,
)
CARDS: tuple[Callable[[RunFolder], list[list[Card]]], ...] = (
    result_cards,
    synthesis_cards,
    few_label_cards,
    size_cards,
)
NOTES: tuple[Callable[[RunFolder], list[str]], ...] = (synthesis_notes, few_label_notes, warnings)


def write_report(run: str | Path, *, out: Path | None = None) -> Path:
    """Write the report of a run as one HTML file, and its panels as PNG into ``<run>/figures/``.

    Args:
        run: Run directory (layout: :mod:`medmae.report.folder`).
        out: Where to write; ``<run>/report.html`` if not given.

    Returns:
        The path of the page.

    Raises:
        DataError: ``run`` is no run directory, or a file in it is broken. A file that is merely missing is
            stated on the page.
    """
    return build_report(run).write(out or Path(run) / "report.html")


def build_report(run: str | Path) -> Report:
    """Build the page of a run without writing it (the PNGs are written), so that sections can be added."""
    folder = RunFolder.read(run)
    origin = [str(folder.info[key]) for key in ("bundle", "method") if folder.info.get(key)]
    return Report(
        title=folder.title,
        eyebrow=" · ".join(dict.fromkeys(["medmae report", *origin])),
        summary=summary_sentence(folder),
        cards=[row for builder in CARDS for row in builder(folder) if row],
        notes=[text for builder in NOTES for text in builder(folder)],
        sections=[section for builder in SECTIONS if (section := builder(folder)) is not None],
        footer=FOOTER,
    )
