"""Videos of one thing that moves, and sentences and questions that tell what moves where: simulated, exactly true.

Shape, way, pace and brightness are drawn alike and apart from each other. Which way it goes no single frame tells, nor
does the mean of all frames tell it from the way back.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from data_prep.tiny.clips import write_video
from medmae.files import write_text

SHAPES, WAYS, PACES, LIGHTS = (
    ("disc", "square", "ring", "cross"),
    ("left", "right", "up", "down"),
    ("slowly", "fast"),
    ("dim", "bright"),
)
_STEPS = {"left": (0, -1), "right": (0, 1), "up": (-1, 0), "down": (1, 0)}
_TRAVEL = {"slowly": 0.3, "fast": 0.7}  # share of the picture from first to last frame
_GREY = {"dim": 130, "bright": 230}
_PATIENTS, _EACH = 12, 2


@dataclass(frozen=True)
class Scene:
    """What a clip shows.

    Attributes:
        shape: One of :data:`SHAPES`.
        way: Of :data:`WAYS`.
        pace: Of :data:`PACES`.
        light: Of :data:`LIGHTS`.
    """

    shape: str
    way: str
    pace: str
    light: str

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Scene:
        """Any, all alike."""
        return cls(*(str(rng.choice(some)) for some in (SHAPES, WAYS, PACES, LIGHTS)))

    @property
    def captions(self) -> tuple[str, ...]:
        """Three ways to say it."""
        towards = {"left": "to the left", "right": "to the right", "up": "upwards", "down": "downwards"}[self.way]
        return (
            f"a {self.light} {self.shape} moves {self.pace} {towards}",
            f"{self.pace} a {self.shape} that is {self.light} goes {towards}",
            f"{towards} {self.pace} travels one {self.light} {self.shape}",
        )

    @property
    def questions(self) -> tuple[dict[str, object], ...]:
        """Question, answer and all answers that it may have."""
        asked = (
            ("what moves?", self.shape, SHAPES),
            ("where does it go?", self.way, WAYS),
            ("how does it move?", self.pace, PACES),
        )
        return tuple({"question": what, "answer": true, "choices": list(all_)} for what, true, all_ in asked)

    def frames(self, rng: np.random.Generator, *, count: int = 16, edge: int = 32) -> np.ndarray:
        """Grey, uint8 ``(count, edge, edge)``; texture and place are drawn."""
        clip = np.empty((count, edge, edge), dtype=np.uint8)
        clip[:] = np.kron(rng.integers(20, 80, (edge // 4, edge // 4)), np.ones((4, 4)))
        step, travel, radius = np.array(_STEPS[self.way]), _TRAVEL[self.pace], edge * rng.uniform(0.12, 0.17)
        across = rng.uniform(0.3, 0.7, 2) * (step == 0)
        along = rng.uniform(0.15, 0.85 - travel)
        for number in range(count):
            done = along + travel * number / max(count - 1, 1)
            centre = edge * (across + np.abs(step) * (done if step.sum() > 0 else 1 - done))
            clip[number][_drawn(self.shape, edge, centre, radius)] = _GREY[self.light]
        return clip


def _drawn(shape: str, edge: int, centre: np.ndarray, radius: float) -> np.ndarray:
    y, x = np.mgrid[:edge, :edge]
    down, right = np.abs(y + 0.5 - centre[0]), np.abs(x + 0.5 - centre[1])
    away = np.hypot(down, right)
    forms = {
        "disc": away < radius,
        "square": np.maximum(down, right) < radius * 0.9,
        "ring": (away < radius * 1.15) & (away > radius * 0.55),
        "cross": (np.minimum(down, right) < radius * 0.35) & (np.maximum(down, right) < radius * 1.15),
    }
    return forms[shape]


def make(folder: Path) -> tuple[Path, Path]:
    """The prepared data set and the raw files; see :func:`data_prep.tiny.make`."""
    return make_some(folder, patients=_PATIENTS, each=_EACH)


def make_some(folder: Path, *, patients: int, each: int, asked: bool = False, seed: int = 0) -> tuple[Path, Path]:
    """The same of any size.

    Args:
        folder: Receives both.
        patients: How many.
        each: Clips of each.
        asked: Whether the questions are among what is said of a clip.
        seed: Of all.
    """
    from data_prep.video import prepare

    lines = []
    for patient in range(patients):
        for number in range(each):
            rng = np.random.default_rng((patient, number, seed) if seed else (patient, number))
            scene, name = Scene.draw(rng), f"p{patient:02d}_{number}.mp4"
            write_video(folder / "raw" / name, scene.frames(rng))
            line = {"path": name, "caption": list(scene.captions), "subject": f"p{patient:02d}", "label": scene.way}
            lines.append({**line, "questions": list(scene.questions)} if asked else line)
    table = folder / "raw" / "videos.json"
    write_text(table, json.dumps(lines))
    prepare(source=table, out=folder / "prepared", workers=0, origin="simulated")
    return folder / "prepared", folder / "raw"
