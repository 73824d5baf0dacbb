"""Simulated walkers, as NTU RGB+D writes skeletons: cadence and step length are known, and nothing of them is real.

A body of 25 joints walks on the spot or forward; legs and arms swing as sines of the stride, with phase, length and
height of each person. Patients with a limp put one leg down for longer. Whoever walks with a limp is the one class, and
nothing else goes with it but chance.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from medmae.data.skeletons.layouts import NTU_25

RATE = 30.0
_PATIENTS, _EACH = 6, 2  # recordings a class and patient
_SECONDS = 4.0


@dataclass(frozen=True, kw_only=True)
class Walker:
    """One person.

    Attributes:
        cadence: Steps a minute.
        height: In metres.
        step: Length in metres.
        limp: How much longer one leg stands than the other, from 0 to 0.5 of a step.
        noise: Of the tracker, in metres.
    """

    cadence: float = 110.0
    height: float = 1.7
    step: float = 0.6
    limp: float = 0.0
    noise: float = 0.005

    @classmethod
    def of(cls, seed: int, *, limp: bool) -> Walker:
        """A person by number."""
        rng = np.random.default_rng((seed, 11))
        return cls(
            cadence=rng.uniform(80, 130),
            height=rng.uniform(1.5, 1.95),
            step=rng.uniform(0.45, 0.7),
            limp=rng.uniform(0.25, 0.4) if limp else 0.0,
        )


_STANDING = {  # x (away from the middle), y (up), z (forward), in heights, of somebody who stands
    "spine_base": (0, 0.53, 0),
    "spine_mid": (0, 0.66, 0),
    "spine_shoulder": (0, 0.8, 0),
    "neck": (0, 0.84, 0),
    "head": (0, 0.93, 0),
    "shoulder": (0.11, 0.8, 0),
    "elbow": (0.13, 0.63, 0),
    "wrist": (0.14, 0.49, 0),
    "hand": (0.14, 0.45, 0),
    "hand_tip": (0.14, 0.41, 0),
    "thumb": (0.12, 0.44, 0.02),
    "hip": (0.05, 0.53, 0),
    "knee": (0.055, 0.29, 0),
    "ankle": (0.055, 0.05, 0),
    "foot": (0.055, 0.02, 0.08),
}


def walk(walker: Walker, *, seconds: float = _SECONDS, rate: float = RATE, seed: int = 0) -> np.ndarray:
    """Places of all joints, ``(T, 25, 3)`` in metres, as a camera three metres in front sees them."""
    rng = np.random.default_rng((seed, 3))
    time = np.arange(round(seconds * rate)) / rate
    turn = 2 * np.pi * walker.cadence / 120 * time + rng.uniform(0, 2 * np.pi)  # of a stride
    turn = turn + walker.limp * np.sin(turn)  # one half of the stride takes longer
    angle = np.arcsin(np.clip(walker.step / (2 * 0.53 * walker.height), 0, 0.9))
    out = np.empty((len(time), len(NTU_25.joints), 3))
    for number, name in enumerate(NTU_25.joints):
        side, _, rest = name.partition("_")
        sided = side in ("left", "right")
        x, y, z = _STANDING[rest if sided else name]
        sign = {"left": -1.0, "right": 1.0}.get(side, 0.0)
        swing = sign * angle * np.sin(turn)
        out[:, number] = _swung(np.array([sign * x if sided else x, y, z]), rest if sided else name, swing, turn)
    out = out * walker.height
    out[..., 1] += 0.01 * walker.height * np.cos(2 * turn)[:, None]
    out += walker.noise * rng.standard_normal(out.shape)
    return out * [1, 1, -1] + [0, -0.9, 3.0]


def _swung(place: np.ndarray, name: str, swing: np.ndarray, turn: np.ndarray) -> np.ndarray:
    """A joint over time ``(T, 3)``: legs turn about the hip, arms against them about the shoulder."""
    leg, arm = name in ("knee", "ankle", "foot"), name in ("elbow", "wrist", "hand", "hand_tip", "thumb")
    if not leg and not arm:
        return np.tile(place, (len(turn), 1))
    top = 0.53 if leg else 0.8
    angle = swing if leg else -0.7 * swing
    down, ahead = top - place[1], place[2]
    y = top - down * np.cos(angle) + ahead * np.sin(angle)
    z = down * np.sin(angle) + ahead * np.cos(angle)
    return np.stack([np.full(len(turn), place[0]), y, z], axis=1)


def write_ntu(path: Path, bodies: dict[str, np.ndarray], *, states: dict[str, np.ndarray] | None = None) -> Path:
    """A ``.skeleton`` file.

    Args:
        path: Of it.
        bodies: By id, ``(T, 25, 3)``; NaN in frames in which one is not there.
        states: By id, whether each joint was tracked ``(T, 25)``: 2, 1 or 0.
    """
    frames = len(next(iter(bodies.values())))
    lines = [str(frames)]
    for frame in range(frames):
        there = {name: body[frame] for name, body in bodies.items() if np.isfinite(body[frame]).all()}
        lines.append(str(len(there)))
        for name, joints in there.items():
            lines += [f"{name} 0 1 1 1 1 0 0.0 0.0 2", str(len(joints))]
            for number, (x, y, z) in enumerate(joints):
                state = 2 if states is None or name not in states else int(states[name][frame, number])
                lines.append(f"{x:.6f} {y:.6f} {z:.6f} 250.0 200.0 950.0 500.0 0 0 0 0 {state}")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def write(folder: Path) -> None:
    """Walkers with and without a limp, in class folders; patients are named in the files."""
    for patient in range(2 * _PATIENTS):
        limp = patient % 2 == 1
        walker = Walker.of(patient, limp=limp)
        for number in range(_EACH):
            path = folder / ("limp" if limp else "even") / f"patient{patient:02d}_{number}.skeleton"
            write_ntu(path, {"7205": walk(walker, seed=10 * patient + number)})


def make(folder: Path) -> tuple[Path, Path]:
    """Raw files in ``folder/raw``, and what is prepared from them in ``folder/prepared``."""
    from rich.console import Console

    from data_prep.skeleton import prepare

    write(folder / "raw")
    quiet = Console(quiet=True)
    prepare(
        source=folder / "raw",
        out=folder / "prepared",
        subject_from=r"^(patient\d+)_",
        fractions=(0.5, 0.25, 0.25),
        value_from="cadence",
        origin="simulated",
        workers=0,
        console=quiet,
    )
    return folder / "prepared", folder / "raw"
