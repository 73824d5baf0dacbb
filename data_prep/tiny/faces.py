"""Simulated faces whose action units are known: people of a few expressions, drawn by :mod:`data_prep.face_drawing`.

A frame has units that go together (a smile, surprise, sorrow, anger, disgust, pain) and single ones besides, of
intensities from 0 to 5; from 2 on a unit is called active, as in DISFA. Nothing but units differs between frames of a
person, besides light, background, turn and noise.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from data_prep.face_drawing import Person, draw_face
from data_prep.face_units import STRONGEST, UNITS

UNITS_CODED = ("AU1", "AU2", "AU4", "AU6", "AU7", "AU9", "AU12", "AU15", "AU17", "AU24", "AU25", "AU26")
_TOGETHER: tuple[Mapping[str, float], ...] = (  # chance of each unit
    {},
    {"AU6": 0.8, "AU12": 1.0, "AU25": 0.6},
    {"AU1": 0.9, "AU2": 0.9, "AU25": 0.7, "AU26": 0.7},
    {"AU1": 0.8, "AU4": 0.7, "AU15": 0.9, "AU17": 0.5},
    {"AU4": 1.0, "AU7": 0.8, "AU24": 0.8, "AU17": 0.3},
    {"AU9": 1.0, "AU4": 0.5, "AU7": 0.4, "AU17": 0.4, "AU15": 0.3},
    {"AU4": 0.9, "AU6": 0.7, "AU7": 0.8, "AU9": 0.5, "AU25": 0.4},
)
_ALONE = 0.06  # chance of any unit besides
ACTIVE = 2  # intensity from which on a unit is called active


def drawn_intensities(rng: np.random.Generator, *, units: Sequence[str] = UNITS_CODED) -> dict[str, float]:
    """Intensities from 0 to 5 of one frame."""
    together = _TOGETHER[int(rng.integers(len(_TOGETHER)))]
    chances = {name: max(together.get(name, 0.0), _ALONE) for name in units}
    strong = {name: float(rng.uniform(ACTIVE, STRONGEST)) for name in units}
    weak = {name: float(rng.uniform(0, ACTIVE) * (rng.random() < 0.3)) for name in units}
    found = {name: strong[name] if rng.random() < chances[name] else weak[name] for name in units}
    if found.get("AU24", 0) > found.get("AU25", 0):  # lips are pressed, or part
        found |= {name: 0.0 for name in ("AU25", "AU26") if name in found}
    elif "AU24" in found:
        found["AU24"] = 0.0
    return found


def write_faces(
    folder: Path, *, people: int, each: int, size: int = 96, seed: int = 0, units: Sequence[str] = UNITS_CODED
) -> Path:
    """Pictures ``<person>/<frame>.png`` and the table of their intensities and landmarks.

    Args:
        folder: Receives them.
        people: How many.
        each: Frames of each.
        size: Pixels along each axis.
        seed: Of everything.
        units: That are coded, of :data:`data_prep.face_units.UNITS`.

    Returns:
        The table ``faces.csv``, as ``medmae prep faces`` reads it.
    """
    if unknown := set(units) - set(UNITS):
        raise ValueError(f"no drawing of {sorted(unknown)}; there are {', '.join(UNITS)}")
    header = ["path", "subject", *(f"{name}_r" for name in units)]
    header += [f"{axis}_{point}" for axis in "xy" for point in range(68)]
    lines = []
    for number in range(people):
        person, name = Person.of(1000 * seed + number), f"p{number:04d}"
        (folder / name).mkdir(parents=True, exist_ok=True)
        for frame in range(each):
            key = (seed, number, frame)
            strengths = drawn_intensities(np.random.default_rng((*key, 3)), units=units)
            drawn = draw_face(
                person,
                {unit: value / STRONGEST for unit, value in strengths.items()},
                size=size,
                seed=(seed * 1009 + number) * 100_003 + frame,
            )
            path = f"{name}/{frame:05d}.png"
            Image.fromarray(drawn.pixels).save(folder / path)
            points = (drawn.landmarks * size).T.round(2).ravel().tolist()
            lines.append([path, name, *(round(value, 2) for value in strengths.values()), *points])
    table = folder / "faces.csv"
    with table.open("w", newline="") as file:
        csv.writer(file).writerows([header, *lines])
    return table


def make(folder: Path) -> tuple[Path, Path]:
    """The prepared data set and the raw files; see :func:`data_prep.tiny.make`."""
    from data_prep.faces import prepare

    table = write_faces(folder / "raw", people=12, each=4, size=64)
    prepare(source=table, out=folder / "prepared", size=64, workers=0, origin="simulated")
    return folder / "prepared", folder / "raw"
