"""Rows below each other: every subject a dot, the mean and its 95 % interval on top."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from medmae.report.axes import WIDTH, Scale, axis_label, chart, grid_x, linear_ticks, scale, tick_label
from medmae.report.page import join
from medmae.report.text import number

MAX_LINKED = 40  # beyond this many subjects the lines that join them hide the dots
PITCH, LEFT, RIGHT, TOP, BOTTOM = 62, 150, 64, 8, 40
NAME_LETTERS = 19  # of a line of a name
SPREAD = 26  # height over which the dots of a row are spread


@dataclass(frozen=True, kw_only=True)
class DotRow:
    """A row of the chart: a mean with its 95 % interval over named dots."""

    label: str
    mean: float
    ci_low: float | None
    ci_high: float | None
    dots: Mapping[str, float]
    ours: bool = False


def dot_chart(rows: Sequence[DotRow], *, title: str, unit: str, digits: int = 2) -> Markup:
    """Draw the rows over one axis; thin lines join the dots of the same subject."""
    values = [v for row in rows for v in (*row.dots.values(), row.mean, row.ci_low, row.ci_high) if v is not None]
    pad = 0.06 * (max(values) - min(values)) or 1.0
    low, high = min(values) - pad, max(values) + pad
    to_x = scale(low, high, LEFT, WIDTH - RIGHT)
    bottom = TOP + PITCH * len(rows)
    placed = [(row, TOP + PITCH * (i + 0.5)) for i, row in enumerate(rows)]
    shifts = _shifts(sorted({name for row in rows for name in row.dots}))
    parts = [
        *(grid_x(to_x(v), tick_label(v), TOP, bottom) for v in linear_ticks(low, high)),
        *(_link(name, shift, placed, to_x) for name, shift in shifts.items() if len(shifts) <= MAX_LINKED),
        *(_row(row, y, shifts, to_x, unit, digits) for row, y in placed),
        axis_label((LEFT + WIDTH - RIGHT) // 2, bottom + BOTTOM - 4, unit),
    ]
    return chart(title, bottom + BOTTOM, parts)


def _shifts(names: Sequence[str]) -> dict[str, float]:
    """Give each subject its own height within a row, the same in every row."""
    if len(names) < 2:
        return dict.fromkeys(names, 0.0)
    return {name: round((i / (len(names) - 1) - 0.5) * SPREAD, 2) for i, name in enumerate(names)}


def _link(name: str, shift: float, placed: Sequence[tuple[DotRow, float]], to_x: Scale) -> Markup:
    points = (f"{to_x(row.dots[name])},{y + shift}" for row, y in placed if name in row.dots)
    return Markup('<polyline points="{}" class="link"/>').format(" ".join(points))


def _row(row: DotRow, y: float, shifts: Mapping[str, float], to_x: Scale, unit: str, digits: int) -> Markup:
    dot = Markup("<circle cx={} cy={} r=3.4><title>{}: {} {}</title></circle>")
    dots = join(
        dot.format(to_x(v), y + shifts[name], name, number(v, digits=digits), unit) for name, v in row.dots.items()
    )
    mean = Markup('<line x1={x} x2={x} y1={a} y2={b} class="mean"/>').format(x=to_x(row.mean), a=y - 15, b=y + 15)
    interval = Markup("")
    if row.ci_low is not None and row.ci_high is not None:
        ends = to_x(row.ci_low), to_x(row.ci_high)
        interval = Markup('<line x1={} x2={} y1={y} y2={y} class="ci"/>').format(*ends, y=y)
    lines = textwrap.wrap(row.label, NAME_LETTERS) or [""]
    first = y - 8.5 * (len(lines) - 1)
    name = join(
        Markup('<text x=0 y={} dy=".32em" class="name">{}</text>').format(first + 17 * i, line)
        for i, line in enumerate(lines)
    )
    value = Markup('<text x={} y={} dy=".32em" text-anchor=end class="number">{}</text>').format(
        WIDTH, y, number(row.mean, digits=digits)
    )
    kind = "ours" if row.ours else "theirs"
    return Markup('<g class="{}">{}</g>').format(kind, join([name, dots, interval, mean, value]))
