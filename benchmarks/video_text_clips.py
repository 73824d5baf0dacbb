"""Clips with captions for ``video_text_methods.py``: simulated, ultrasound of lungs, and people who speak."""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.model_selection import StratifiedGroupKFold
from torch import Generator, Tensor

from data_prep.tiny.captioned import Scene
from data_prep.video import prepare
from medmae.data import CaptionedClips, CaptionWords, Samples, manifest
from medmae.data.splits import split_by_subject
from medmae.data.video.clip_crops import MultiScale
from medmae.data.video.sampling import DenseFrames
from medmae.files import sha256_of, write_text

FRAMES, MAX_WORDS, PATIENTS, EACH = 8, 16, 200, 5
# Two words each: else their number alone, which hidden words keep, would tell the finding.
FINDINGS = {
    "healthy": "healthy lung",
    "bacterial_pneumonia": "bacterial pneumonia",
    "viral_pneumonia": "viral pneumonia",
    "covid": "covid pneumonia",
}


@dataclass(frozen=True)
class Domain:
    """One set of clips.

    Attributes:
        edge: Height and width of a clip.
        stride: Frames between two of a clip.
        folds: Into how many it is divided; 1 has one split by patient.
        passes: How many draws of every training clip are read, with other frames and crops each.
        of: Whose clips these are, if not its own.
    """

    edge: int
    stride: int
    folds: int
    passes: int
    of: str | None = None


# Halves: every frame of eight of the sixteen, so that several views of a clip show several parts of it.
DOMAINS = {
    "simulated": Domain(32, 2, 1, 1),
    "halves": Domain(32, 1, 1, 4, "simulated"),
    "ultrasound": Domain(32, 2, 3, 20),
    "speech": Domain(32, 4, 3, 20),
}


class Pairs:
    """Clips and captions of one fold: what is learnt from, in memory, and what is held out."""

    def __init__(self, out: Path, domain: str, fold: int) -> None:
        self.domain, self.source = DOMAINS[domain], out / f"{DOMAINS[domain].of or domain}-{fold}"
        self.words = CaptionWords(source=self.source, size=2000)
        self.train, self.test = (self._samples(split, each_caption=True) for split in ("train", "test"))
        self.told = self._samples("test")  # the first caption of each: other words are then of other things
        self._bank: dict[str, Tensor] | None = None

    def seen_as(self, views: int) -> Samples:
        """What is held out, each clip seen in so many parts."""
        return self._samples("test", views=views)

    @property
    def bank(self) -> dict[str, Tensor]:
        """All that is learnt from: clips ``(N, 1, T, H, W)`` and words ``(N, L)``."""
        if self._bank is None:
            drawn = self.train if self.domain.passes == 1 else self._samples("train", crop=MultiScale(), drawn=True)
            rows = [row for epoch in range(self.domain.passes) for row in _read(drawn, epoch)]
            self._bank = {name: torch.stack([row[name] for row in rows]) for name in ("image", "words")}
        return self._bank

    def draw(self, order: Generator, *, batch_size: int) -> dict[str, Tensor]:
        """A batch."""
        picked = torch.randint(len(self.bank["words"]), (batch_size,), generator=order)
        return {name: rows[picked] for name, rows in self.bank.items()}

    def scale(self) -> dict[str, list[float]]:
        """Mean and deviation of what is learnt from."""
        clips = self.bank["image"]
        return {"mean": [float(clips.mean())], "std": [float(clips.std())]}

    def _samples(self, split: str, *, drawn: bool = False, views: int = 1, **options: Any) -> Samples:
        view = CaptionedClips(
            sampling=DenseFrames(frames=FRAMES, stride=self.domain.stride),
            size=self.domain.edge,
            channels=1,
            vocabulary=self.words,
            max_words=MAX_WORDS,
            test_views=None if drawn else [views, 1],
            **options,
        )
        return Samples(source=self.source, view=view, split=split)


def _read(samples: Samples, epoch: int) -> Iterator[dict[str, Tensor]]:
    samples.set_epoch(epoch)
    return (samples[number] for number in range(len(samples)))


def prepare_simulated(out: Path) -> None:
    """A thousand clips of 200 simulated patients, of whom 40 are held out; straight to shards, never compressed.

    Others than those of the pilots by which size, steps and rate were chosen, whose scenes had no third number.
    """
    split = split_by_subject([f"p{patient:03d}" for patient in range(PATIENTS)], fractions=(0.8, 0.0, 0.2))
    (out / "simulated-0" / "shards").mkdir(parents=True, exist_ok=True)
    rows = []
    for patient, number in product(range(PATIENTS), range(EACH)):
        rng, case = np.random.default_rng((1, patient, number)), f"p{patient:03d}_{number}"
        scene, shard = Scene.draw(rng), f"shards/{case}.npy"
        frames = scene.frames(rng, count=2 * FRAMES)[..., None]  # (T, H, W, 1)
        np.save(out / "simulated-0" / shard, frames)
        rows.append(
            {
                "case": case,
                "subject": case.partition("_")[0],
                "split": split[case.partition("_")[0]],
                "kind": "video",
                "first": 0,
                "count": len(frames),
                "shard": shard,
                "shard_sha256": sha256_of(out / "simulated-0" / shard),
                "dtype": "uint8",
                "size": list(frames.shape[1:3]),
                "channels": 1,
                "fps": 25.0,
                "times": None,
                "label": scene.way,
                "value": None,
                "captions": list(scene.captions),
                "content_sha256": hashlib.sha256(frames.tobytes()).hexdigest(),
                "flags": [],
            }
        )
    manifest.write(out / "simulated-0" / manifest.NAME, rows)


def prepare_ultrasound(out: Path, shared: Path) -> None:
    """Clips of POCUS with finding and probe in words, three folds by source; of positions its table says nothing."""
    rows = _table(shared / "data" / "video" / "pocus_labels.csv")
    lines = [
        {
            "path": str(shared / "data" / "video" / row["file"]),
            "caption": pocus_captions(row["label"], row["probe"]),
            "subject": f"source{row['source_id']}",
            "label": row["label"],
        }
        for row in rows
    ]
    sources = [line["subject"] for line in lines]
    split = StratifiedGroupKFold(n_splits=3, shuffle=True, random_state=0)
    parts = [{sources[n] for n in test} for _, test in split.split(rows, [row["label"] for row in rows], sources)]
    _folds(out, "ultrasound", lines, parts)


def prepare_speech(out: Path, shared: Path) -> None:
    """Six clips of GRID, two held out at a time: the names of five do not tell who speaks."""
    folder = shared / "data" / "av" / "grid"
    rows = _table(folder / "captions.csv")
    lines = [
        {"path": str(folder / row["file"]), "caption": row["caption"], "subject": f"clip{number}"}
        for number, row in enumerate(rows)
    ]
    subjects = [line["subject"] for line in lines]
    _folds(out, "speech", lines, [set(subjects[n : n + 2]) for n in (0, 2, 4)])


def pocus_captions(finding: str, probe: str) -> list[str]:
    """Three ways to say what the table of a clip says."""
    found = FINDINGS[finding]
    return [
        f"ultrasound with a {probe} probe shows {found}",
        f"{found} seen with a {probe} probe",
        f"{probe} probe : {found}",
    ]


def _folds(out: Path, name: str, lines: list[dict[str, Any]], parts: list[set[str]]) -> None:
    """Prepared once; a fold has rows of its own and the same shards."""
    table, whole = out / f"{name}.json", out / name
    write_text(table, json.dumps(lines))
    prepare(source=table, out=whole, workers=0, short_side=64, channels="1")
    rows = [json.loads(line) for line in (whole / manifest.NAME).read_text().splitlines()]
    for fold, held_out in enumerate(parts):
        for row in rows:
            row["split"] = "test" if row["subject"] in held_out else "train"
            shard = out / f"{name}-{fold}" / row["shard"]
            shard.parent.mkdir(parents=True, exist_ok=True)
            shard.unlink(missing_ok=True)
            shard.hardlink_to(whole / row["shard"])
        manifest.write(out / f"{name}-{fold}" / manifest.NAME, rows)


def _table(path: Path) -> list[dict[str, str]]:
    with path.open() as file:
        return list(csv.DictReader(file))
