"""A dark page with pictures at given pixels, written as PNG."""

from __future__ import annotations

from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from medmae.files import atomic_write

INK, SOFT, PAGE = "#eef0f2", "#9aa4af", "#000000"
_DPI = 100


class Sheet:
    """Pictures and words by pixel, counted from the upper left corner.

    Args:
        width: Pixels.
        height: Pixels.
    """

    def __init__(self, *, width: int, height: int) -> None:
        self.width, self.height = width, height
        self.figure = Figure(figsize=(width / _DPI, height / _DPI), dpi=_DPI, facecolor=PAGE)
        self._canvas = FigureCanvasAgg(self.figure)

    def axes(self, *, left: float, top: float, width: float, height: float) -> Axes:
        """Axes without ticks or frame that fill a box."""
        axes = self.figure.add_axes(
            (left / self.width, 1 - (top + height) / self.height, width / self.width, height / self.height)
        )
        axes.set_axis_off()
        return axes

    def write(
        self,
        text: str,
        *,
        left: float,
        top: float,
        size: float,
        align: str = "left",
        colour: str = INK,
        weight: str = "normal",
    ) -> None:
        """Writes a line whose middle lies at ``top``; dollar signs and backslashes are text, not mathematics."""
        self.figure.text(
            left / self.width,
            1 - top / self.height,
            text,
            fontsize=size,
            color=colour,
            ha=align,
            va="center",
            weight=weight,
            parse_math=False,
        )

    def save(self, path: Path, *, comment: str) -> None:
        """Writes the page as PNG, whole or not at all; the same page gives the same bytes."""
        with atomic_write(path) as file:
            self._canvas.print_png(file, metadata={"Software": "medmae", "Comment": comment})
