"""Curves over a common x, such as losses over steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from medmae.report.axes import (
    WIDTH,
    Scale,
    axis_label,
    chart,
    grid_y,
    linear_ticks,
    log_ticks,
    scale,
    tick_label,
    tick_x,
)
from medmae.report.page import join

MAX_POINTS = 120  # a longer curve is drawn as the median and the range of equal bins
MAX_DOTS = 30  # up to this many points get a dot each
HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 270, 56, 14, 12, 42


@dataclass(frozen=True, kw_only=True)
class Series:
    """A curve: finite ``x`` and ``y`` of the same length, in one of six colours; without a label it has no key."""

    label: str
    x: Sequence[float]
    y: Sequence[float]
    colour: int = 0
    dashed: bool = False


def line_chart(series: Sequence[Series], *, title: str, x_label: str, log_y: bool = True, remark: str = "") -> Markup:
    """Draw curves; the y axis is logarithmic, or starts at zero where that is asked for or no logarithm exists."""
    ys = [y for curve in series for y in curve.y]
    log_y = log_y and min(ys) > 0
    xs = _with_zero([x for curve in series for x in curve.x], near=0.25)
    ys = ys if log_y else _with_zero(ys)
    ticks_x, ticks_y = linear_ticks(min(xs), max(xs)), (log_ticks if log_y else linear_ticks)(min(ys), max(ys))
    to_x = scale(min(xs), max(xs), LEFT, WIDTH - RIGHT)
    to_y = scale(*_limits([*ys, *ticks_y], log=log_y), HEIGHT - BOTTOM, TOP, log=log_y)
    parts = [
        *(grid_y(to_y(v), tick_label(v), LEFT, WIDTH - RIGHT) for v in ticks_y),
        *(tick_x(to_x(v), tick_label(v), HEIGHT - BOTTOM) for v in ticks_x),
        *(_curve(curve, to_x, to_y) for curve in series),
        axis_label((LEFT + WIDTH - RIGHT) // 2, HEIGHT - 6, x_label),
    ]
    remark = ", ".join(text for text in ("log scale" if log_y else "", remark) if text)
    legend = join(_key(curve) for curve in series if curve.label and len(series) > 1)
    return chart(title, HEIGHT, parts, remark=remark, legend=legend)


def condense(x: Sequence[float], y: Sequence[float]) -> tuple[list[float], list[float], list[float], list[float]]:
    """Reduce a long curve to at most ``MAX_POINTS`` bins.

    Returns:
        Mean x and median y of each bin, then the least and the greatest y (both empty for a curve left as it is).
    """
    if len(x) <= MAX_POINTS:
        return list(x), list(y), [], []
    cuts = np.arange(0, len(x), -(-len(x) // MAX_POINTS))[1:]
    xs, ys = np.split(np.asarray(x, float), cuts), np.split(np.asarray(y, float), cuts)
    middle, low, high = ([float(f(part)) for part in ys] for f in (np.median, np.min, np.max))
    return [float(part.mean()) for part in xs], middle, low, high


def _with_zero(values: list[float], *, near: float = 1.0) -> list[float]:
    """Let an axis of positive values start at zero if its low end lies within ``near`` of the way."""
    return [0.0, *values] if 0 < min(values) <= near * max(values) else values


def _limits(values: Sequence[float], *, log: bool) -> tuple[float, float]:
    low, high = min(values), max(values)
    if log:
        pad = (high / low) ** 0.05 if high > low else 1.5
        return low / pad, high * pad
    pad = 0.05 * (high - low) or 0.1 * abs(high) or 1.0
    return (low if low == 0 else low - pad), high + pad


def _curve(curve: Series, to_x: Scale, to_y: Scale) -> Markup:
    x, y, low, high = condense(curve.x, curve.y)
    parts = []
    if low:
        band = [*zip(x, high, strict=True), *zip(x[::-1], low[::-1], strict=True)]
        shape = " ".join(f"{to_x(a)},{to_y(b)}" for a, b in band)
        parts.append(Markup('<polygon points="{}" class="band s{}"/>').format(shape, curve.colour))
    points = [(to_x(a), to_y(b)) for a, b in zip(x, y, strict=True)]
    shape = " ".join(f"{a},{b}" for a, b in points)
    parts.append(Markup('<polyline points="{}" class="line {}"/>').format(shape, _look(curve)))
    if len(points) <= MAX_DOTS:
        dot = Markup('<circle cx={} cy={} r=2.6 class="s{}"/>')
        parts += [dot.format(a, b, curve.colour) for a, b in points]
    return join(parts)


def _key(curve: Series) -> Markup:
    line = Markup('<line x1=1 x2=21 y1=4 y2=4 class="line {}"/>').format(_look(curve))
    icon = Markup('<svg viewBox="0 0 22 8" aria-hidden="true">{}</svg>').format(line)
    return Markup('<span class="key">{}{}</span>').format(icon, curve.label)


def _look(curve: Series) -> str:
    return f"s{curve.colour}{' dashed' if curve.dashed else ''}"
