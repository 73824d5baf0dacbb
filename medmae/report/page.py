"""The page: cards, notes and sections, rendered to one HTML file that needs nothing beside it.

Everything that comes from data passes through :class:`markupsafe.Markup`'s ``format`` or Jinja's autoescape, so a case
named ``<script>`` is text. The page carries a Content-Security-Policy that forbids scripts and every outside resource.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from medmae.files import write_text
from medmae.report.text import slug

NOT_EVALUATED = (
    "this run has not been evaluated yet. Run its bundle's evaluate configuration, then write the report again."
)
_PLAIN, _NUMBER, _WRAPPED = Markup(""), Markup(" class=n"), Markup(" class=w")


@dataclass(frozen=True, kw_only=True)
class Card:
    """One number at the top of the page.

    Args:
        label: What it is.
        value: The number, as text.
        unit: Its unit.
        detail: One line below it.
        wide: Whether it is the result of the run (shown larger).
    """

    label: str
    value: str
    unit: str = ""
    detail: str = ""
    wide: bool = False


@dataclass(frozen=True, kw_only=True)
class Section:
    """A titled part of the page.

    Args:
        title: Its heading, also in the navigation.
        lead: One or two sentences below the heading.
        blocks: Pieces of HTML: tables, charts, figures.
    """

    title: str
    lead: str | Markup = ""
    blocks: Sequence[Markup] = ()

    @property
    def anchor(self) -> str:
        """The fragment that links to this section."""
        return slug(self.title).lower()


@dataclass(kw_only=True)
class Report:
    """A page of sections. An evaluation of any method can append its own before writing.

    Args:
        title: Heading of the page.
        eyebrow: Small line above the title.
        verdict: First words below the title: of whom this is, and whether it is any good.
        summary: One sentence below them.
        cards: Rows of headline numbers.
        notes: Warnings that a reader must see before any figure.
        sections: The body, in order.
        footer: Closing line.
    """

    title: str
    eyebrow: str = ""
    verdict: str | Markup = ""
    summary: str | Markup = ""
    cards: list[list[Card]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    sections: list[Section] = field(default_factory=list)
    footer: str = ""

    def html(self) -> str:
        """The whole page."""
        here = files("medmae.report")
        environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
        template = environment.from_string(here.joinpath("page.html").read_text(encoding="utf-8"))
        style = Markup(here.joinpath("style.css").read_text(encoding="utf-8"))  # noqa: S704 - our own file
        return template.render(report=self, style=style)

    def write(self, path: Path) -> Path:
        """Write the page to ``path``, whole or not at all."""
        write_text(path, self.html())
        return path


def join(parts: Iterable[str | Markup]) -> Markup:
    """Concatenate pieces of HTML; plain strings are escaped."""
    return Markup("").join(parts)


def table(
    head: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    numeric: Collection[int] = (),
    wrap: Collection[int] = (),
) -> Markup:
    """Build a table that scrolls sideways on a narrow screen.

    Args:
        head: Column headings.
        rows: Cells (escaped unless ``Markup``).
        numeric: Columns set flush right in tabular figures.
        wrap: Columns of running text, which may break over lines.
    """
    kinds = [_NUMBER if i in numeric else _WRAPPED if i in wrap else _PLAIN for i in range(len(head))]
    tops = join(Markup("<th scope=col{}>{}</th>").format(k, h) for k, h in zip(kinds, head, strict=True))
    body = join(_row(row, kinds) for row in rows)
    return Markup(
        '<div class="scroll" tabindex=0><table><thead><tr>{}</tr></thead><tbody>{}</tbody></table></div>'
    ).format(tops, body)


def _row(row: Sequence[object], kinds: Sequence[Markup]) -> Markup:
    cells = (Markup("<td{}>{}</td>").format(k, c) for k, c in zip(kinds, row, strict=True))
    return Markup("<tr>{}</tr>\n").format(join(cells))


def details(summary: str, *body: Markup, opened: bool = False) -> Markup:
    """Fold a long piece away behind one line."""
    state = Markup(" open") if opened else Markup("")
    return Markup("<details{}><summary>{}</summary>{}</details>").format(state, summary, join(body))


def note(text: str | Markup) -> Markup:
    """A paragraph that states something missing or worth knowing."""
    return Markup('<p class="note">{}</p>').format(text)
