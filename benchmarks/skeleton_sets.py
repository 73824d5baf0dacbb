"""MSR Action3D and UTKinect as ``skeleton_methods.py`` takes them: sequences of 20 joints, people, actions.

Each is one ``.npz``: ``frames`` (F, 20, 3) in metres, ``offsets`` (N + 1), ``labels``, ``subjects``. Joints of MSR are
brought into the order of the Kinect SDK by their names; frames in which nobody was found (all zeros) are filled from
those before and after, and sequences that have no others are left out. The middle of the hip in the first frame is the
origin.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from medmae.data.augment.skeleton import rotation, turned
from medmae.data.skeletons.cut import drawn_part, middle_of, resized
from medmae.data.skeletons.gaps import filled
from medmae.data.skeletons.layouts import KINECT_20, MSR_20

FRAMES, LEAST = 32, 16
ORDERS = {"msr_action3d": MSR_20, "utkinect": KINECT_20}


@dataclass(frozen=True)
class Recordings:
    """Sequences ``(3, T, 20)``, and of each its action and person."""

    sequences: tuple[Tensor, ...]
    targets: np.ndarray
    people: np.ndarray
    classes: tuple[str, ...]

    @classmethod
    def read(cls, folder: Path, name: str) -> Recordings:
        """Of one set."""
        held = np.load(folder / f"{name}.npz")
        order = KINECT_20.order_of(ORDERS[name].joints)
        parts = [held["frames"][a:b][:, order] for a, b in zip(held["offsets"][:-1], held["offsets"][1:], strict=True)]
        classes = tuple(map(str, held["action_names"]))
        somebody = np.array([np.abs(part).sum() > 0 for part in parts])
        print(f"{name}: {len(parts)} sequences, of which {(~somebody).sum()} never show anybody and are left out")
        found = tuple(_sequence(part) for part, there in zip(parts, somebody, strict=True) if there)
        return cls(found, held["labels"][somebody], held["subjects"][somebody], classes)

    def without(self, person: int) -> np.ndarray:
        """Numbers of the sequences of all others."""
        return np.flatnonzero(self.people != person)

    def of(self, person: int) -> np.ndarray:
        """Numbers of those of one."""
        return np.flatnonzero(self.people == person)

    def middle(self, number: int) -> Tensor:
        """What a test sees, ``(3, FRAMES, 20)``: 95 % of the frames."""
        data = self.sequences[number]
        start, count = middle_of(data.shape[1], share=0.95)
        return resized(data[:, start : start + count], FRAMES)

    def drawn(self, number: int, rng: np.random.Generator) -> Tensor:
        """What training sees: half of the frames at least, turned by at most 0.3 about each axis."""
        data = self.sequences[number]
        start, count = drawn_part(data.shape[1], share=rng.uniform(0.5, 1), least=LEAST, start=rng.random())
        return turned(resized(data[:, start : start + count], FRAMES), rotation(rng.uniform(-0.3, 0.3, 3)))

    def all_middles(self) -> Tensor:
        """``(N, 3, FRAMES, 20)``."""
        return torch.stack([self.middle(number) for number in range(len(self.targets))])


class Tuned:
    """Sequences for fine-tuning: as a test sees them in epoch 0, drawn anew in every other one."""

    def __init__(self, recordings: Recordings, seed: int) -> None:
        self.recordings, self.seed, self.epoch = recordings, seed, 0

    def set_epoch(self, epoch: int) -> None:
        """Which epoch it is."""
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.recordings.targets)

    def __getitem__(self, number: int) -> dict[str, Tensor]:
        if not self.epoch:
            return {"skeleton": self.recordings.middle(number)}
        rng = np.random.default_rng((self.seed, self.epoch, number))
        return {"skeleton": self.recordings.drawn(number, rng)}


def _sequence(frames: np.ndarray) -> Tensor:
    there = np.abs(frames).sum(axis=(1, 2)) > 0
    seen = np.repeat(there[:, None], frames.shape[1], axis=1)
    whole = filled(frames, seen)
    return torch.from_numpy(whole - whole[:1, KINECT_20.root_number, None]).permute(2, 0, 1).contiguous()
