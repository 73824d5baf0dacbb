"""One picture a case by which to see a synthesis: source, synthetic, real and error, in three planes, true to scale."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize

from medmae.evaluate.sheet import INK, SOFT, Sheet
from medmae.evaluate.synthesis.figures_of_merit import ERROR_LIMIT
from medmae.evaluate.synthesis.task import CaseVolumes, Task
from medmae.evaluate.synthesis.verdict import baselines_of
from medmae.report.figures import ERROR_MAP
from medmae.report.metrics import label_of
from medmae.report.text import MINUS, number

COLUMNS = ("source", "synthetic", "real", "error")
_LESION = "#4fd6ff"  # neither a grey nor a colour of the error map
_COLUMN, _GAP, _LEFT, _RIGHT, _TOP, _BOTTOM = 230, 5, 100, 88, 96, 56  # pixels
# Points; a page shows a sheet at about half its size.
_HEAD, _TEXT, _SMALL = 16, 14, 12


@dataclass(frozen=True, kw_only=True)
class Plane:
    """One cut through the volume.

    Attributes:
        name: ``axial``, ``coronal`` or ``sagittal``.
        index: Of the slice in the stored arrays.
        number: Of the same slice in the whole volume, in canonical orientation (LPS), counted from 0.
        size: Millimetres, (height, width).
        sides: What lies left and right in the picture: R, L, A or P.
    """

    name: str
    index: int
    number: int
    size: tuple[float, float]
    sides: tuple[str, str]

    def cut(self, volume: np.ndarray) -> np.ndarray:
        """The plane of a stored volume ``(S, H, W)``, head up, as a radiologist sees it."""
        if self.name == "axial":
            return volume[self.index]
        return volume[::-1, self.index] if self.name == "coronal" else volume[::-1, :, self.index]


def choose_planes(volumes: CaseVolumes) -> list[Plane]:
    """Three axial planes, a coronal and a sagittal one: through the lesion where it is largest, else the middle."""
    shown = volumes.foreground if volumes.lesion is None or not volumes.lesion.any() else volumes.lesion
    through = _largest if shown is volumes.lesion else _middle
    z, y, x = (through(shown, axis) for axis in range(3))
    filled = np.flatnonzero(volumes.foreground.any(axis=(1, 2)))
    low, high = (int(filled[0]), int(filled[-1])) if len(filled) else (0, len(shown) - 1)
    step = round((high - low) / 5)
    axial = dict.fromkeys(min(max(z + shift, low), high) for shift in (step, 0, -step))
    (S, H, W), (dz, dy, dx), (z0, y0, x0) = shown.shape, volumes.spacing, volumes.start
    return [
        *(Plane(name="axial", index=n, number=n + z0, size=(H * dy, W * dx), sides=("R", "L")) for n in axial),
        Plane(name="coronal", index=y, number=y + y0, size=(S * dz, W * dx), sides=("R", "L")),
        Plane(name="sagittal", index=x, number=x + x0, size=(S * dz, H * dy), sides=("A", "P")),
    ]


def draw_montage(
    volumes: CaseVolumes, *, synthetic: np.ndarray, task: Task, scores: Mapping[str, float], path: Path
) -> None:
    """Writes the montage of a case as PNG.

    Args:
        volumes: The case.
        synthetic: ``(S, H, W)``.
        task: What was made of what.
        scores: As :func:`medmae.evaluate.synthesis.synthesis_scores.score_case` gives them.
        path: Receives the picture.
    """
    planes = choose_planes(volumes)
    scale = _COLUMN / max(plane.size[1] for plane in planes)  # pixels a millimetre, the same in every plane
    heights = [max(round(plane.size[0] * scale), 1) for plane in planes]
    body = sum(heights) + _GAP * (len(heights) - 1)
    sheet = Sheet(width=_LEFT + len(COLUMNS) * (_COLUMN + _GAP) - _GAP + _RIGHT, height=_TOP + body + _BOTTOM)
    images = {"source": volumes.source, "synthetic": synthetic, "real": volumes.real}
    images["error"] = np.abs(synthetic - volumes.real)
    # A synthetic volume is shown in the window of the real one, else a wrong brightness would not be seen.
    limits = {name: _white(volumes.source if name == "source" else volumes.real) for name in COLUMNS[:3]}
    limits["error"] = ERROR_LIMIT
    _write_heads(sheet, task, scores)
    outlined = volumes.lesion is not None and any(plane.cut(volumes.lesion).any() for plane in planes)
    _write_foot_and_scale(sheet, body=body, outlined=outlined)
    top = _TOP
    for plane, tall in zip(planes, heights, strict=True):
        wide = round(plane.size[1] * scale)
        for column, name in enumerate(COLUMNS):
            left = _LEFT + column * (_COLUMN + _GAP) + (_COLUMN - wide) // 2
            axes = sheet.axes(left=left, top=top, width=wide, height=tall)
            colours = ERROR_MAP if name == "error" else "gray"
            axes.imshow(plane.cut(images[name]), cmap=colours, vmin=0, vmax=limits[name], aspect="auto")
            if volumes.lesion is not None and plane.cut(volumes.lesion).any():
                axes.contour(plane.cut(volumes.lesion), levels=[0.5], colors=_LESION, linewidths=0.7)
        _write_row(sheet, plane, top=top, tall=tall)
        top += tall + _GAP
    sheet.save(path, comment="synthetic, not for diagnosis")


def _write_heads(sheet: Sheet, task: Task, scores: Mapping[str, float]) -> None:
    sheet.write(f"{task.row['case']} · {task.way}", left=_LEFT, top=20, size=_HEAD, weight="bold")
    shown = {"model": "synthetic", **{name: label_of(name).lower() for name in baselines_of(scores, "foreground")[:1]}}
    figures = " · ".join(
        f"{whose}: PSNR {number(scores[f'psnr_{name}_foreground'], digits=1)} dB, "
        f"SSIM {number(scores[f'ssim_{name}_foreground'], digits=3)}"
        for name, whose in shown.items()
    )
    sheet.write(f"in the foreground · {figures}", left=_LEFT, top=47, size=_SMALL, colour=SOFT)
    made = task.target
    names = (f"source {task.sources[0]}", f"synthetic {made}", f"real {made}", f"|synthetic {MINUS} real|")
    for column, name in enumerate(names):
        centre = _LEFT + column * (_COLUMN + _GAP) + _COLUMN / 2
        sheet.write(name, left=centre, top=_TOP - 16, size=_TEXT, align="center")


def _write_foot_and_scale(sheet: Sheet, *, body: int, outlined: bool) -> None:
    foot = "synthetic image, not for diagnosis · slices are numbered in the whole canonical (LPS) volume, from 0"
    sheet.write(foot, left=_LEFT, top=_TOP + body + 38, size=_SMALL, colour=SOFT)
    sides = "R, L, A, P: right, left, front, back of the patient"
    sheet.write(sides, left=_LEFT, top=_TOP + body + 16, size=_SMALL, colour=SOFT)
    if outlined:
        middle = _LEFT + 2 * (_COLUMN + _GAP)
        sheet.write(
            "blue line: outline of the lesion label", left=middle, top=_TOP + body + 16, size=_SMALL, colour=_LESION
        )
    left = _LEFT + len(COLUMNS) * (_COLUMN + _GAP) + 8
    axes = sheet.axes(left=left, top=_TOP, width=11, height=body)
    axes.set_axis_on()
    colours = ScalarMappable(norm=Normalize(0, ERROR_LIMIT), cmap=ERROR_MAP)
    bar = sheet.figure.colorbar(colours, cax=axes, extend="max", extendfrac=0.02, ticks=[0, 0.1, 0.2, ERROR_LIMIT])
    bar.outline.set_visible(False)
    bar.ax.tick_params(color=SOFT, labelcolor=INK, labelsize=_SMALL, length=3)


def _write_row(sheet: Sheet, plane: Plane, *, top: int, tall: int) -> None:
    sheet.write(plane.name, left=_LEFT - 10, top=top + tall / 2 - 10, size=_TEXT, align="right")
    sheet.write(str(plane.number), left=_LEFT - 10, top=top + tall / 2 + 11, size=_SMALL, align="right", colour=SOFT)
    for column in range(len(COLUMNS)):
        left = _LEFT + column * (_COLUMN + _GAP)
        for text, at, align in zip(plane.sides, (left + 4, left + _COLUMN - 4), ("left", "right"), strict=True):
            sheet.write(text, left=at, top=top + 12, size=_SMALL, align=align)


def _white(volume: np.ndarray) -> float:
    """The intensity shown as white."""
    inside = volume[volume > 0]
    return float(np.percentile(inside, 99.5)) if inside.size else 1.0


def _middle(mask: np.ndarray, axis: int) -> int:
    """Halfway between the first and the last slice with anything in it."""
    along = np.flatnonzero(_per_slice(mask, axis))
    return int(along[0] + along[-1]) // 2 if len(along) else mask.shape[axis] // 2


def _largest(mask: np.ndarray, axis: int) -> int:
    return int(_per_slice(mask, axis).argmax())


def _per_slice(mask: np.ndarray, axis: int) -> np.ndarray:
    return np.count_nonzero(mask, axis=tuple(other for other in range(3) if other != axis))
