"""Confusion matrices: a row a true class, in shares of it."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from medmae.report.axes import WIDTH, axis_label, chart
from medmae.report.page import join
from medmae.report.text import number

_LEFT, _TOP, _BOTTOM = 92, 34, 26
_LARGEST = 96  # edge of a cell
_LETTERS = 12  # of a name


def confusion_chart(counts: Sequence[Sequence[float]], *, classes: Sequence[str], title: str, remark: str) -> Markup:
    """Draw a matrix of counts; the darker a cell, the greater its share of the true class.

    Args:
        counts: ``K`` rows of ``K``, a row a true class; they may be means.
        classes: K names.
        title: Of the figure.
        remark: Beside it.
    """
    edge = min((WIDTH - _LEFT) / len(classes), _LARGEST)
    parts = [axis_label(_LEFT + edge * len(classes) / 2, 12, "predicted")]
    for place, name in enumerate(classes):
        middle = (place + 0.5) * edge
        parts.append(_name(name, x=_LEFT + middle, y=_TOP - 6, anchor="middle", letters=max(int(edge / 7), 3)))
        parts.append(_name(name, x=_LEFT - 8, y=_TOP + middle + 4, anchor="end", letters=_LETTERS))
    for row, line in enumerate(counts):
        total = sum(line)
        for column, count in enumerate(line):
            about = f"{classes[row]} called {classes[column]}: {number(count, digits=1)} of {number(total, digits=1)}"
            share = count / total if total else 0.0
            parts.append(_cell(_LEFT + column * edge, _TOP + row * edge, edge, share, about))
    return chart(title, _TOP + edge * len(classes) + _BOTTOM - 20, parts, remark=remark)


def _cell(x: float, y: float, edge: float, share: float, about: str) -> Markup:
    box = Markup("<rect x={} y={} width={e} height={e} rx=3 fill-opacity={}><title>{}</title></rect>").format(
        round(x + 1, 2), round(y + 1, 2), round(max(share, 0.03), 3), about, e=round(edge - 2, 2)
    )
    kind = "over" if share > 0.5 else "under"
    text = Markup('<text x={} y={} dy=".35em" text-anchor=middle class="{}">{}</text>').format(
        round(x + edge / 2, 2), round(y + edge / 2, 2), kind, f"{100 * share:.0f}"
    )
    return Markup('<g class="cell">{}</g>').format(join([box, text]))


def _name(name: str, *, x: float, y: float, anchor: str, letters: int) -> Markup:
    shown = name if len(name) <= letters else name[: letters - 1] + "…"
    return Markup("<text x={} y={} text-anchor={}>{}<title>{}</title></text>").format(
        round(x, 2), round(y, 2), anchor, shown, name
    )
