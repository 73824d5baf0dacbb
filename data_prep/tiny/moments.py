"""Simulated recordings of people who act one of two moods: a voice and 68 points of a face, in RAVDESS' own names.

The voice of a lively one is higher and its mouth opens wider, both by the same syllables; actors differ in pitch and in
the shape of the face. Nothing here is anybody's voice or face, and nothing measured on it says anything of people.
One recording has no table of its face, in one the face is lost for half of the time.
"""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

RATE, FPS = 16_000, 30.0
ACTORS, MOODS = 8, {"calm": 2, "happy": 3}  # numbers of emotions in names
_SECONDS = 1.6


def voice(rng: np.random.Generator, *, pitch: float, lively: bool, opens: np.ndarray) -> np.ndarray:
    """Harmonics by syllables: float32 ``(T,)`` of ``opens``, how far the mouth is open at each step."""
    seconds = np.arange(round(_SECONDS * RATE)) / RATE
    height = pitch * (1.35 if lively else 1.0)
    tones = sum(np.sin(2 * np.pi * height * k * seconds + rng.uniform(0, 6)) / k for k in range(1, 12))
    loud = np.interp(seconds, np.arange(len(opens)) / FPS, opens)
    return (0.12 * loud * tones + 0.003 * rng.standard_normal(len(seconds))).astype(np.float32)


def mouth(rng: np.random.Generator, *, lively: bool) -> np.ndarray:
    """How far it is open at each step, from 0 on: syllables."""
    steps = np.arange(round(_SECONDS * FPS)) / FPS
    pace, begin = rng.uniform(3.0, 4.0), rng.uniform(0, 6)
    return (1.5 if lively else 1.0) * np.clip(np.sin(2 * np.pi * pace * steps + begin), 0, 1)


def face(rng: np.random.Generator, shape: np.ndarray, opens: np.ndarray) -> np.ndarray:
    """68 points ``(F, 68, 2)`` in pixels: the lower lip goes down, the head moves a little."""
    points = np.repeat(shape[None], len(opens), axis=0)
    points[:, 55:60, 1] += 12 * opens[:, None]  # lower lip, outer
    points[:, 65:68, 1] += 10 * opens[:, None]  # and inner
    drift = np.cumsum(rng.normal(0, 0.2, (len(opens), 1, 2)), axis=0)
    return points + drift + rng.normal(0, 0.15, points.shape)


def write_openface(path: Path, points: np.ndarray, *, lost: np.ndarray | None = None) -> Path:
    """A table as OpenFace 2 writes it, with what is asked of it; ``lost`` ``(F,)`` bool: where no face was found."""
    lost = np.zeros(len(points), dtype=bool) if lost is None else lost
    head = ["frame", "face_id", "timestamp", "confidence", "success"]
    head += [f"{axis}_{point}" for axis in "xy" for point in range(68)]
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(f" {name}" if name != "frame" else name for name in head)  # OpenFace puts blanks before names
        for number, (frame, gone) in enumerate(zip(points, lost, strict=True)):
            sure = [0.0, 0] if gone else [0.98, 1]
            values = np.zeros(136) if gone else frame.T.ravel()
            writer.writerow([number + 1, 0, f"{number / FPS:.3f}", *sure, *(f"{value:.1f}" for value in values)])
    return path


def make(folder: Path) -> tuple[Path, Path]:
    """The prepared data set and the raw files; see :func:`data_prep.tiny.make`."""
    import soundfile

    from data_prep.moments import prepare

    for actor in range(1, ACTORS + 1):
        own = np.random.default_rng((actor, 11))
        angle = np.linspace(0, 2 * np.pi, 68, endpoint=False)
        shape = 120 + np.stack([60 * np.cos(angle), 80 * np.sin(angle)], axis=1) + own.normal(0, 6, (68, 2))
        pitch = own.uniform(100, 210)
        for mood, number in MOODS.items():
            for take in (1, 2):
                rng = np.random.default_rng((actor, number, take))
                opens = mouth(rng, lively=mood == "happy")
                name = f"01-{number:02d}-01-01-{take:02d}-{actor:02d}"
                sound = voice(rng, pitch=pitch, lively=mood == "happy", opens=opens)
                (folder / "raw").mkdir(parents=True, exist_ok=True)
                soundfile.write(str(folder / "raw" / f"03-{name}.wav"), sound, RATE)
                if (actor, number, take) == (2, 2, 1):
                    continue
                lost = np.arange(len(opens)) < 24 if (actor, number, take) == (3, 3, 1) else None
                write_openface(folder / "raw" / f"01-{name}.csv", face(rng, shape, opens), lost=lost)
    prepare(source=folder / "raw", out=folder / "prepared", workers=0)
    return folder / "prepared", folder / "raw"
