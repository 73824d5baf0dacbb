"""What every chart shares: scales, ticks and the SVG around them.

Charts are inline SVG coloured by the page's CSS variables: crisp at any size, and they follow light, dark and print.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from markupsafe import Markup
from matplotlib.ticker import LogLocator, MaxNLocator

from medmae.report.page import join
from medmae.report.text import MINUS

WIDTH = 520  # user units; the page sets the real width
Scale = Callable[[float], float]


def scale(low: float, high: float, start: float, stop: float, *, log: bool = False) -> Scale:
    """Map [low, high] to user units from ``start`` to ``stop``."""
    forward = math.log10 if log else float
    origin = forward(low)
    span = (forward(high) - origin) or 1.0
    return lambda value: round(start + (forward(value) - origin) / span * (stop - start), 2)


def linear_ticks(low: float, high: float) -> list[float]:
    """Round numbers within [low, high]; of a single value that value."""
    if math.isclose(low, high):
        return [low]
    slack = 1e-9 * (high - low)
    return [float(v) for v in MaxNLocator(5).tick_values(low, high) if low - slack <= v <= high + slack]


def log_ticks(low: float, high: float) -> list[float]:
    """Powers of ten around [low, high] > 0, with numbers between them where the range is short."""
    if math.isclose(low, high):
        return [low]
    decades = math.log10(high / low)
    for subs in ((1.0,), (1.0, 2.0, 5.0), tuple(map(float, range(1, 10)))):
        ticks = [float(v) for v in LogLocator(subs=subs).tick_values(low, high) if 0.7 * low <= v <= 1.3 * high]
        if len(ticks) >= 3 or (decades > 3 and len(ticks) == 2):
            return ticks
    return linear_ticks(low, high)


def tick_label(value: float) -> str:
    """Write a round number in few characters."""
    if value and (abs(value) < 1e-3 or abs(value) >= 1e6):
        return f"{value:.1e}".replace(".0e", "e").replace("e-0", f"e{MINUS}").replace("e+0", "e")
    text = f"{value:,g}" if abs(value) < 1e5 else f"{value / 1000:,g}k"
    return text.replace("-", MINUS)


def grid_y(y: float, label: str, left: float, right: float) -> Markup:
    """Draw a horizontal line with its number to the left."""
    return Markup(
        '<line x1={l} x2={r} y1={y} y2={y} class="grid"/><text x={t} y={y} dy=".32em" text-anchor=end>{s}</text>'
    ).format(l=left, r=right, t=left - 8, y=y, s=label)


def grid_x(x: float, label: str, top: float, bottom: float) -> Markup:
    """Draw a vertical line with its number below."""
    line = Markup('<line x1={x} x2={x} y1={t} y2={b} class="grid"/>').format(x=x, t=top, b=bottom)
    return line + tick_x(x, label, bottom)


def tick_x(x: float, label: str, y: float) -> Markup:
    """Write a number below the x axis."""
    return Markup("<text x={} y={} text-anchor=middle>{}</text>").format(x, y + 16, label)


def axis_label(x: float, y: float, text: str) -> Markup:
    """Write the name of the x axis, centred on ``x``."""
    return Markup('<text x={} y={} class="axis" text-anchor=middle>{}</text>').format(x, y, text)


def chart(title: str, height: float, parts: Sequence[Markup], *, remark: str = "", legend: Markup | str = "") -> Markup:
    """Put a drawing under its title, with a remark beside the title and a legend at the far end."""
    caption = Markup("<figcaption><b>{}</b><span>{}</span>{}</figcaption>").format(title, remark, legend)
    drawing = Markup('<svg viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>').format(
        WIDTH, height, title, join(parts)
    )
    return Markup('<figure class="chart">{}{}</figure>').format(caption, drawing)
