"""From a run directory to the page: the sections in the order in which a reader asks for them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from medmae import __version__
from medmae.report.cohort import cohort
from medmae.report.evaluations import SectionBuilder, evaluations, read_run
from medmae.report.folder import RunFolder
from medmae.report.headline import other_run, result_cards, size_cards, summary_sentence, warnings
from medmae.report.origin import origin_sentence
from medmae.report.page import Report
from medmae.report.provenance import provenance, this_run
from medmae.report.training import training

FOOTER = (
    f"medmae {__version__}. Research software, not for diagnosis. "
    "What a network draws is synthetic: it shows what the network expects, not what a patient has."
)
OWN: Mapping[int, SectionBuilder] = {
    890: this_run,
    900: training,
    910: cohort,
    930: provenance,
}  # of the page itself, by place


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
    folder, known = read_run(run), evaluations()
    origin = [str(folder.info[key]) for key in ("bundle", "method") if folder.info.get(key)]
    builders = dict(OWN)
    for each in known:
        builders.update(each.sections)
    cards = [result_cards(folder), *(each.cards(folder) for each in known), size_cards(folder)]
    told = list(map(str, folder.info.get("notes") or []))
    notes = [told, *(each.notes(folder) for each in known), other_run(folder), warnings(folder)]
    return Report(
        title=folder.title,
        eyebrow=" · ".join(dict.fromkeys(["medmae report", *origin])),
        verdict=" ".join(filter(None, _first_words(folder))),
        summary=summary_sentence(folder),
        cards=[row for rows in cards for row in rows if row],
        notes=[text for texts in notes for text in texts],
        sections=[section for _, build in sorted(builders.items()) if (section := build(folder)) is not None],
        footer=FOOTER,
    )


def _first_words(folder: RunFolder) -> Iterator[str]:
    """Of whom this is, and whether it is any good."""
    yield origin_sentence(folder)
    yield from (each.verdict(folder) for each in evaluations())
