"""Sounds for ``sound_methods.py``: spoken digits with written ones, sounds of the surroundings, and who speaks when.

All is prepared as ``medmae prep`` does it and read once into memory; a fold is what is learnt from and what is held
out. Written digits are those of scikit-learn (UCI), the first 1,297 to learn from, the last 500 to be held out.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from sklearn.datasets import load_digits
from torch import Generator, Tensor

from data_prep.audio import prepare as prepare_audio
from data_prep.video import prepare as prepare_video
from medmae.data import Samples
from medmae.data.audio.clips import AudioClips
from medmae.data.audio.cut import SoundCut
from medmae.data.audio.sounded import SoundedClips
from medmae.data.video.sampling import DenseFrames
from medmae.data.views import About, View
from medmae.kinds import Scale
from medmae.tokens.spectrogram import LogMel, kaldi

FOLDS: dict[str, int] = {"digits": 4, "esc10": 3, "grid": 3}
SIZES: dict[str, tuple[int, int]] = {"digits": (64, 32), "esc10": (256, 64), "grid": (64, 32)}  # frames, bands
FRAMES, WINDOW, STRIDE, EDGE = (
    75,
    16,
    2,
    32,
)  # of GRID: frames of 40 ms, of a window, of which every second is read; a mouth's pixels
VIEWS, LEARNT_DIGITS = 3, 1297


@dataclass(frozen=True)
class Part:
    """What is learnt from, or held out.

    Attributes:
        data: Tensors by name, a row a sample.
        labels: ``(N,)`` int64; -1 of what has none.
        names: Of samples.
        subjects: Whose they are, by which intervals are drawn.
    """

    data: dict[str, Tensor]
    labels: Tensor
    names: list[str]
    subjects: list[str]

    def of(self, members: list[int]) -> Part:
        """Some of it."""
        return Part(
            {name: rows[members] for name, rows in self.data.items()},
            self.labels[members],
            [self.names[n] for n in members],
            [self.subjects[n] for n in members],
        )


def prepare(out: Path, shared: Path) -> None:
    """Prepares all three, once."""
    audio = shared / "data" / "audio"
    for domain, source, rate in (("digits", audio / "fsdd", 8000), ("esc10", audio / "esc10_16k", 16_000)):
        if not (out / domain / "manifest.jsonl").exists():
            prepare_audio(source=source, out=out / domain, rate=rate, workers=0)
    if not (out / "grid" / "manifest.jsonl").exists():
        prepare_video(source=shared / "data" / "av" / "grid", out=out / "grid", sound=True, workers=0)


class Sounds:
    """One of the sets, divided into what is learnt from and what is held out.

    Args:
        out: Where it was prepared.
        domain: Which.
        fold: Which speaker (digits), official fold (ESC-10) or third of the clips (GRID) is held out.
    """

    def __init__(self, out: Path, domain: str, fold: int) -> None:
        self.domain, self.fold = domain, fold
        whole, groups = _whole(out, domain)
        names = sorted(set(groups))
        held = set(names[fold :: len(names)] if domain != "grid" else names[2 * fold : 2 * fold + 2])
        inside = [group in held for group in groups]
        self.train = whole.of([n for n, other in enumerate(inside) if not other])
        self.test = whole.of([n for n, other in enumerate(inside) if other])
        if domain == "digits":
            self._write_digits()

    @property
    def classes(self) -> int:
        """How many there are."""
        return int(self.train.labels.max()) + 1

    def scale(self, name: str) -> Scale:
        """Mean and deviation of what is learnt from."""
        rows = self.train.data[name]
        return Scale((float(rows.mean()),), (float(rows.std()),))

    def draw(self, order: Generator, *, batch_size: int, members: Tensor | None = None) -> dict[str, Tensor]:
        """A batch to learn from, ``label`` included; of some samples alone, if they are named."""
        known = torch.arange(len(self.train.labels)) if members is None else members
        picked = known[torch.randint(len(known), (batch_size,), generator=order)].tolist()
        part = self.train.of(picked)
        if self.domain == "esc10":
            spare = part.data["audio"].shape[2] - SIZES["esc10"][0]
            return {
                "audio": _cuts(part, torch.randint(spare + 1, (batch_size,), generator=order)),
                "label": part.labels,
            }
        if self.domain == "grid":
            spare = part.data["image"].shape[2] - WINDOW
            return _moments(part, torch.randint(spare + 1, (batch_size,), generator=order))
        return {**part.data, "label": part.labels}

    def views(self, part: Part) -> list[dict[str, Tensor]]:
        """What a sample is judged by: itself, or some cuts of it."""
        if self.domain != "esc10":
            return [part.data]
        spare = part.data["audio"].shape[2] - SIZES["esc10"][0]
        starts = [n * spare // (VIEWS - 1) for n in range(VIEWS)]
        return [{"audio": _cuts(part, torch.full((len(part.labels),), start))} for start in starts]

    def moments(self, part: Part) -> list[dict[str, Tensor]]:
        """Of each clip, and each of four phases, windows that do not overlap: rows of one list are rivals."""
        frames, found = part.data["image"].shape[2], []
        for clip in range(len(part.names)):
            for phase in range(0, WINDOW, WINDOW // 4):
                starts = torch.arange(phase, frames - WINDOW + 1, WINDOW)
                found.append(_moments(part.of([clip] * len(starts)), starts))
        return found

    def few(self, each: int) -> Tensor:
        """So many samples to learn from of each class, ``(N,)``, the same for all arms and seeds."""
        order = torch.randperm(len(self.train.labels), generator=torch.Generator().manual_seed(self.fold))
        return torch.cat([order[self.train.labels[order] == label][:each] for label in range(self.classes)])

    def _write_digits(self) -> None:
        """A written digit for each spoken one, of the same class, for good."""
        digits = load_digits()
        pictures = torch.from_numpy(digits.images).float().unsqueeze(1) / 16  # (1797, 1, 8, 8)
        classes = torch.from_numpy(digits.target).long()
        order = torch.Generator().manual_seed(self.fold + 1000)
        for part, rows in ((self.train, slice(None, LEARNT_DIGITS)), (self.test, slice(LEARNT_DIGITS, None))):
            images, of = pictures[rows], classes[rows]
            shares = torch.rand(len(part.labels), generator=order).tolist()
            pairs = zip(part.labels.tolist(), shares, strict=True)
            part.data["image"] = images[[_one_of((of == label).nonzero()[:, 0], share) for label, share in pairs]]


def _one_of(places: Tensor, share: float) -> int:
    return int(places[int(share * len(places))])


def _cuts(part: Part, starts: Tensor) -> Tensor:
    """``(B, 1, frames, bands)`` of ``(B, 1, T, bands)``."""
    pairs, length = zip(part.data["audio"], starts.tolist(), strict=True), SIZES["esc10"][0]
    return torch.stack([rows[:, start : start + length] for rows, start in pairs])


def _moments(part: Part, starts: Tensor) -> dict[str, Tensor]:
    """Mouths ``(B, 1, 8, 32, 32)`` and the sound of the same 0.64 s, ``(B, 1, 64, 32)``."""
    clips, sounds = part.data["image"], part.data["audio"]
    frames = SIZES["grid"][0]
    image = [clip[:, n : n + WINDOW : STRIDE] for clip, n in zip(clips, starts.tolist(), strict=True)]
    audio = [sound[:, 4 * n : 4 * n + frames] for sound, n in zip(sounds, starts.tolist(), strict=True)]
    return {"image": torch.stack(image), "audio": torch.stack(audio)}


def _whole(out: Path, domain: str) -> tuple[Part, list[str]]:
    """All samples, and by what they are divided: the speaker, the official fold, or the clip."""
    frames, bands = SIZES[domain]
    if domain == "grid":
        cut = SoundCut(front=kaldi(bins=bands), frames=4 * FRAMES)
        rows, abouts = _rows(
            out / domain,
            SoundedClips(
                sampling=DenseFrames(frames=FRAMES, stride=1), size=96, channels=1, sound=cut, test_views=(1, 1)
            ),
        )
        mouths = torch.stack([row["image"][:, :, 56 : 56 + EDGE, 27 : 27 + EDGE] for row in rows])
        cases = [about.case for about in abouts]
        sounds = torch.stack([row["audio"] for row in rows])
        return Part({"image": mouths, "audio": sounds}, torch.full((len(rows),), -1), cases, cases), cases
    if domain == "digits":  # a room's noise lies at this front end's floor, as the silence behind a word does
        front = LogMel(rate=8000, bins=bands, low=60.0, frame_s=0.032, hop_s=0.0125, power=1, offset=1e-2)
        cut = SoundCut(front=front, frames=frames)
    else:
        cut = SoundCut(front=kaldi(bins=bands), frames=498)
    view = AudioClips(cut=cut, test_views=1)
    rows, abouts = _rows(out / domain, view)
    labels = torch.tensor([int(row["label"]) for row in rows])
    cases, subjects = [about.case for about in abouts], [about.subject for about in abouts]
    part = Part(
        {"audio": torch.stack([row["audio"] for row in rows])}, labels, cases, cases if domain == "digits" else subjects
    )
    folds = {row["case"]: str(row.get("fold")) for row in view.open(out / domain)}
    return part, subjects if domain == "digits" else [folds[case] for case in cases]


def _rows(source: Path, view: View[Any]) -> tuple[list[dict[str, Any]], list[About]]:
    samples = Samples(source=source, view=view, split=None)
    numbers = range(len(samples))
    return [samples[n] for n in numbers], [samples.describe(n) for n in numbers]
