"""Pictures of a few reconstructions, kept as arrays; the report draws them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from medmae.files import atomic_write, write_text
from medmae.kinds import Kind
from medmae.report.draw import draw, facts

Maps = Mapping[str, Tensor]
TRUE_STATISTICS = "true_mean_and_deviation"  # the column of what was given those of each hidden patch back
ASPECTS = ("_target", "_prediction")  # how maps of another aspect end, such as the edges of an image


class Panels:
    """Collects what a picture row of the report needs.

    Args:
        wanted: Numbers of the samples to keep, in the order in which they will be shown.
    """

    def __init__(self, *, wanted: Sequence[int]) -> None:
        self._order = {index: i for i, index in enumerate(wanted)}
        self._rows: dict[int, list[tuple[dict[str, Any], dict[str, np.ndarray]]]] = {}

    def wants(self, index: int) -> bool:
        """Whether this sample is to be kept."""
        return index in self._order

    def add(self, index: int, *, about: Mapping[str, Any], kind: Kind, maps: Maps, position: int) -> None:
        """Keeps a row of one sample; those of one sample stand together, in the order in which they come.

        Args:
            index: Its number.
            about: What stands beside the pictures: case, contrast, slice, figures.
            kind: What it is.
            maps: ``input`` and ``hidden``; of what is rebuilt ``model``; where there are such outputs ``by_patch``, and
                of every other aspect its ``_target`` and ``_prediction``; ``(B, C, *size)``.
            position: Its place in the batch.
        """
        scaled = {} if (kind.peak or 1.0) == 1.0 else {"error_of": "peak"}
        about = {**about, **facts(kind, maps["input"][position]), **scaled}
        self._rows.setdefault(self._order[index], []).append((about, _pictures(kind, maps, position)))

    def write(self, out: Path) -> None:
        """Writes ``panels.json`` and ``panels.npz``."""
        write_panels(out, [row for i in sorted(self._rows) for row in self._rows[i]])


def write_panels(out: Path, rows: Sequence[tuple[Mapping[str, Any], Mapping[str, np.ndarray]]]) -> None:
    """Writes ``panels.json`` (what each row shows) and ``panels.npz`` (its pictures as ``"<row>/<name>"``)."""
    arrays = {f"{i}/{name}": picture for i, (_, pictures) in enumerate(rows) for name, picture in pictures.items()}
    write_text(out / "panels.json", json.dumps([about for about, _ in rows], indent=2))
    with atomic_write(out / "panels.npz") as file:
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]


def choose(abouts: Mapping[int, Mapping[str, Any]], *, count: int) -> list[int]:
    """The middle sample of each subject and look, subjects taking turns, and so do contrasts or classes.

    So a few show all contrasts, and no two pictures are of one class before each class has one.

    Args:
        abouts: ``subject`` and, if any, ``contrast`` or ``label`` by number, in the order of the volumes.
        count: How many are wanted.
    """
    groups: dict[tuple[str, str], list[int]] = {}
    for index, about in abouts.items():
        look = str(about.get("contrast") or about.get("label"))
        groups.setdefault((str(about["subject"]), look), []).append(index)
    left, chosen = sorted(groups), list[int]()
    times = Counter[tuple[str, str]]()  # how often each subject, and each look, was shown
    while left and len(chosen) < count:
        place = min(range(len(left)), key=lambda i: (times["subject", left[i][0]], times["look", left[i][1]], i))
        subject, look = left.pop(place)
        times.update([("subject", subject), ("look", look)])
        members = groups[subject, look]
        chosen.append(members[len(members) // 2])
    return chosen


def _pictures(kind: Kind, maps: Maps, position: int) -> dict[str, np.ndarray]:
    def drawn(name: str) -> np.ndarray:
        return draw(kind, maps[name][position])

    image, hidden = drawn("input"), drawn("hidden") > 0
    visible = np.where(hidden[..., None] if image.ndim > hidden.ndim else hidden, np.nan, image)
    pictures = {"input": image, "visible": visible}
    if "model" not in maps:
        return pictures
    pictures["reconstruction"] = drawn("model")
    if "by_patch" in maps:
        pictures[TRUE_STATISTICS] = drawn("by_patch")
    pictures |= {name: drawn(name) for name in maps if name.endswith(ASPECTS)}
    error = np.abs(image - pictures["reconstruction"]) / np.float32(kind.peak or 1.0)  # kinds of other units beside it
    return {**pictures, "error": error.mean(axis=-1) if error.ndim == 3 else error}
