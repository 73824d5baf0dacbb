"""Prepared clips of ultrasound in memory, divided into folds by where they come from; for ``video_methods.py``."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.model_selection import StratifiedGroupKFold
from torch import Tensor

CLASSES = ("healthy", "bacterial_pneumonia", "covid")  # viral pneumonia has five clips: seen unlabelled only
EDGE, FRAMES, FOLDS = 64, 16, 3
PLACES = (0.0, 0.5, 1.0)  # of a clip's views: its beginning, middle and end


class Clips:
    """All clips of what ``medmae prep video`` wrote, uint8 ``(T, H, W)``; ``labels`` is the table it was made from."""

    def __init__(self, prepared: Path, labels: Path | None = None) -> None:
        rows = [json.loads(line) for line in (prepared / "manifest.jsonl").read_text().splitlines()]
        self.names = [row["case"] for row in rows]
        self.labels = [row["label"] for row in rows]
        self.targets = np.array([CLASSES.index(label) if label in CLASSES else -1 for label in self.labels])
        self.sources = np.array([row["subject"] for row in rows])
        self.frames = [torch.from_numpy(np.load(prepared / row["shard"])[..., 0]) for row in rows]
        patients = {}
        if labels is not None:
            with labels.open() as file:
                patients = {Path(row["file"]).stem: row["patient"] for row in csv.DictReader(file)}
        self.patients = [patients.get(Path(row["source"]).stem, row["subject"]) for row in rows]

    def folds(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Training and held-out clips ``(N,)``, by source."""
        split = StratifiedGroupKFold(n_splits=FOLDS, shuffle=True, random_state=0)
        return list(split.split(self.names, self.labels, self.sources))

    def labelled(self, fold: int) -> tuple[np.ndarray, np.ndarray]:
        """The clips of both parts that have one of CLASSES."""
        train, test = (part[self.targets[part] >= 0] for part in self.folds()[fold])
        return train, test

    def crop(self, number: int, generator: torch.Generator) -> Tensor:
        """A random clip, one random square of it: float32 ``(1, FRAMES, EDGE, EDGE)`` in [0, 1]."""
        frames = self.frames[number]
        stride = int(torch.randint(1, 1 + max(1, min(4, len(frames) // FRAMES)), (), generator=generator))
        start = int(torch.randint(max(1, len(frames) - FRAMES * stride + 1), (), generator=generator))
        short = min(frames.shape[1:])
        edge = int(short * (1, 0.875, 0.75, 0.66)[int(torch.randint(4, (), generator=generator))])
        top, left = (int(torch.randint(n - edge + 1, (), generator=generator)) for n in frames.shape[1:])
        return _resized(_taken(frames, start, stride)[:, top : top + edge, left : left + edge])

    def views(self, number: int) -> Tensor:
        """The middle square at several PLACES of the clip: ``(V, 1, FRAMES, EDGE, EDGE)``."""
        frames = self.frames[number]
        stride = max(1, min(4, len(frames) // FRAMES))
        short = min(frames.shape[1:])
        top, left = ((n - short) // 2 for n in frames.shape[1:])
        starts = [round(place * max(0, len(frames) - FRAMES * stride)) for place in PLACES]
        squares = [_taken(frames, start, stride)[:, top : top + short, left : left + short] for start in starts]
        return torch.stack([_resized(square) for square in squares])


class TuningClips:
    """Items of fine-tuning, by number: a new random crop of a training clip each time, all views of another one."""

    views = len(PLACES)

    def __init__(self, clips: Clips, train: np.ndarray, seed: int) -> None:
        self.clips, self.train = clips, set(train.tolist())
        self.generator = torch.Generator().manual_seed(seed)

    def __len__(self) -> int:
        return len(self.clips.names)

    def __getitem__(self, number: int) -> dict[str, Tensor]:
        if number in self.train:
            return {"image": self.clips.crop(number, self.generator)}
        return {"image": self.clips.views(number), "views": torch.tensor(self.views)}


def _taken(frames: Tensor, start: int, stride: int) -> Tensor:
    """FRAMES of a clip; the last one again where it ends before."""
    return frames[(start + stride * torch.arange(FRAMES)).clamp(max=len(frames) - 1)]


def _resized(frames: Tensor) -> Tensor:
    return F.interpolate(frames[None].float() / 255, size=(EDGE, EDGE), mode="bilinear", antialias=True)
