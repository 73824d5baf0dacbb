"""Points of several classes in a plane."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from medmae.report.axes import WIDTH, axis_label, chart
from medmae.report.page import join

_HEIGHT, _PAD, _BOTTOM = 440, 12, 26
_COLOURS = 6  # of the page; further classes have the same ones, hollow


def scatter_chart(
    points: Sequence[Sequence[float]],
    *,
    labels: Sequence[int],
    classes: Sequence[str],
    title: str,
    remark: str = "",
    x_label: str = "",
) -> Markup:
    """Draw points, both axes in the same units.

    Args:
        points: x and y of each.
        labels: Its class; -1 has none.
        classes: Names.
        title: Of the figure.
        remark: Beside it.
        x_label: Below it.
    """
    columns = list(zip(*points, strict=True))
    middles = [(min(values) + max(values)) / 2 for values in columns]
    span = max((max(values) - min(values)) / room for values, room in zip(columns, _room(), strict=True)) or 1.0
    parts = []
    for (x, y), label in zip(points, labels, strict=True):
        place = (WIDTH / 2 + (x - middles[0]) / span, (_HEIGHT - _BOTTOM) / 2 - (y - middles[1]) / span)
        name = classes[label] if label >= 0 else "no class"
        parts.append(
            Markup('<circle cx={} cy={} r=3.1 class="{}"><title>{}</title></circle>').format(
                round(place[0], 1), round(place[1], 1), _look(label), name
            )
        )
    if x_label:
        parts.append(axis_label(WIDTH / 2, _HEIGHT - 6, x_label))
    shown = [label for label in range(len(classes)) if label in set(labels)] + ([-1] if -1 in labels else [])
    legend = join(_key(label, classes, sum(one == label for one in labels)) for label in shown)
    body = chart(title, _HEIGHT, [Markup('<g class="points">{}</g>').format(join(parts))], remark=remark)
    return Markup('<div class="legend">{}</div>{}').format(legend, body)


def _room() -> tuple[float, float]:
    return WIDTH - 2 * _PAD, _HEIGHT - _BOTTOM - 2 * _PAD


def _key(label: int, classes: Sequence[str], count: int) -> Markup:
    icon = Markup('<svg viewBox="0 0 22 8" aria-hidden="true"><circle cx=11 cy=4 r=3.4 class="{}"/></svg>')
    name = classes[label] if label >= 0 else "no class"
    return Markup('<span class="key">{}{} ({})</span>').format(icon.format(_look(label)), name, count)


def _look(label: int) -> str:
    if label < 0:
        return "none"
    return f"s{label % _COLOURS}" + (" hollow" if label // _COLOURS % 2 else "")
