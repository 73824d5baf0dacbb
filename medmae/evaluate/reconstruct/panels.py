"""Pictures of a few reconstructions, kept as arrays; the report draws them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from medmae.files import atomic_write, write_text

Maps = Mapping[str, Tensor]


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

    def add(self, index: int, *, about: Mapping[str, Any], maps: Maps, position: int) -> None:
        """Keeps a row of one sample; those of one sample stand together, in the order in which they come.

        Args:
            index: Its number.
            about: What stands beside the pictures: case, contrast, slice, figures.
            maps: ``input`` and ``hidden``; of what is rebuilt ``model``; where there are such outputs ``by_patch``,
                ``edge`` and ``edge_target``; ``(B, C, *size)``.
            position: Its place in the batch.
        """
        self._rows.setdefault(self._order[index], []).append((dict(about), _pictures(maps, position)))

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
    """The middle sample of each subject and contrast, subjects taking turns, contrasts too.

    Args:
        abouts: ``subject`` and, if any, ``contrast`` by number, in the order of the volumes.
        count: How many are wanted.
    """
    volumes: dict[str, dict[str, list[int]]] = {}
    for index, about in abouts.items():
        volumes.setdefault(str(about["subject"]), {}).setdefault(str(about.get("contrast")), []).append(index)
    queues = []
    for turn, (_, contrasts) in enumerate(sorted(volumes.items())):
        centres = [members[len(members) // 2] for _, members in sorted(contrasts.items())]
        # The k-th subject starts with its k-th contrast, so that few panels still show all contrasts.
        shift = turn % len(centres)
        queues.append(centres[shift:] + centres[:shift])
    longest = max(len(queue) for queue in queues)
    return [queue[k] for k in range(longest) for queue in queues if k < len(queue)][:count]


def _pictures(maps: Maps, position: int) -> dict[str, np.ndarray]:
    image, hidden = plane_of(maps["input"][position]), plane_of(maps["hidden"][position]) > 0
    visible = np.where(hidden[..., None] if image.ndim == 3 else hidden, np.nan, image)
    pictures = {"input": image, "visible": visible}
    if "model" not in maps:
        return pictures
    pictures["reconstruction"] = plane_of(maps["model"][position])
    if "by_patch" in maps:
        pictures["normalised"] = plane_of(maps["by_patch"][position])
    if "edge" in maps:
        pictures["edge_target"] = plane_of(maps["edge_target"][position])
        pictures["edge_prediction"] = plane_of(maps["edge"][position])
    error = np.abs(image - pictures["reconstruction"])
    return {**pictures, "error": error.mean(axis=-1) if error.ndim == 3 else error}


def plane_of(data: Tensor) -> np.ndarray:
    """One picture of ``(C, *size)``: RGB ``(H, W, 3)`` of three channels in a plane, else the first channel ``(H, W)``.

    Of a volume it is the middle slice.
    """
    picture = data.float().cpu().numpy()
    if len(picture) == 3 and picture.ndim == 3:
        return np.moveaxis(picture, 0, -1)
    picture = picture[0]
    while picture.ndim > 2:
        picture = picture[len(picture) // 2]
    return picture
