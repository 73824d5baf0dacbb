"""Windows of recordings: what is heard, seen and said in the same seconds."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import torch
from torch import Tensor

from medmae.axes import Axis
from medmae.data.audio.cut import SoundCut
from medmae.data.audio.stored import Track
from medmae.data.labels import Labels, Target
from medmae.data.manifest import Manifest, Row
from medmae.data.moments.series import Series, held
from medmae.data.source import Source
from medmae.data.views import About, Item, View
from medmae.errors import DataError, check_choice
from medmae.kinds import Kind
from medmae.tokens.modalities import THERE
from medmae.tokens.spectrogram import KALDI_FLOOR, LogMel

SECOND = "second_"  # before the name of a kind: another window of the same recording
Name = Literal["audio", "landmarks", "image", "text"]


def by_steps(*, rate: int = 16_000, bins: int = 128, steps: float = 30.0) -> LogMel:
    """A log-mel front end with one frame a step of what else is recorded; loudness stays in it."""
    return LogMel(rate=rate, bins=bins, low=20.0, frame_s=2 / steps, hop_s=1 / steps, centred=True, floor=KALDI_FLOOR)


@dataclass(frozen=True, kw_only=True)
class Moments(View[Manifest]):
    """Samples of what ``medmae prep moments`` wrote: a tensor a kind, all of the same seconds.

    ``"audio"`` ``(1, T, bands)``, ``"landmarks"`` ``(2, T, 51)`` from 0 to 1 within a recording, ``"image"``
    ``(3, F, H, W)`` in [0, 1], ``"text"`` ``(width, T)``, and of each ``<kind>_there``, bool: False where less than
    ``least`` of a window was heard or seen, or, of words, nothing was said. What stands there then is NaN. ``"group"``,
    int64, is equal of recordings of one subject: no negatives of each other.

    Args:
        kinds_read: Which, in order.
        pictures: F, evenly over the window.
        front: Front end of sounds, with a frame a step; None is :func:`by_steps`.
        steps: T, of a window.
        windows: Drawn of each recording: 2 gives ``second_<kind>``, too, of a window of its own.
        test_view: One window instead, at the beginning, as the reference tests.
        least: Share of steps that must have been seen, or heard, for a kind to be there.
        seed: Of the draws.
        target: What is to be learnt; see :class:`medmae.data.audio.clips.AudioClips`.

    Raises:
        ValueError: If a number or a name is none of these.
    """

    noun = "moment"

    kinds_read: Sequence[Name] = ("audio", "landmarks")
    front: LogMel = field(default_factory=by_steps)
    steps: int = 30
    pictures: int = 8
    windows: Literal[1, 2] = 1
    test_view: bool = False
    least: float = 0.5
    seed: int = 0
    target: Target = "label"

    def __post_init__(self) -> None:
        check_choice(self.target, get_args(Target), name="target")
        for name in self.kinds_read:
            check_choice(name, get_args(Name), name="kinds_read")
        if not 0 < self.least <= 1 or min(self.pictures, self.steps) < 1 or self.windows not in (1, 2):
            raise ValueError(
                "least lies in (0, 1], pictures and steps are positive, windows 1 or 2, got "
                f"{self.least}, {self.pictures}, {self.steps}, {self.windows}"
            )

    @property
    def options(self) -> dict[str, Any]:
        """See :attr:`View.options`."""
        return {**super().options, "front": self.sound.options}

    @property
    def sound(self) -> SoundCut:
        """Of a window."""
        return SoundCut(front=self.front, frames=self.steps)

    def open(self, source: Source | str | Path) -> Manifest:
        """The manifest.

        Raises:
            DataError: If it holds other things, sounds of another rate, or nothing of one of the kinds at all.
        """
        manifest = Manifest.of(source).require("moment")
        self.sound.check([Track.of(row) for row in manifest], path=manifest.path)
        for name in self.kinds_read:
            if name != "audio" and all(Series.of(row, name) is None for row in manifest):
                raise DataError(
                    f"no recording of this data set has {name}",
                    path=manifest.path,
                    field="series",
                    value=sorted({entry["name"] for row in manifest for entry in row["series"]}),
                    remedy=f"prepare it with {name}, or leave them out: kinds_read",
                )
        return manifest

    def items(self, source: Manifest, places: Sequence[int]) -> np.ndarray:
        """``(N, 1)``: the row."""
        return np.array(places, dtype=np.int64)[:, None]

    def labels(self, source: Manifest, items: np.ndarray) -> Labels | None:
        """Of each recording."""
        return Labels.of_rows([source.rows[place] for place in items[:, 0].tolist()], every=source, target=self.target)

    def kinds(self, source: Manifest) -> dict[str, Kind]:
        """As encoders call them."""
        step = self.sound.front.hop / self.sound.front.rate
        known = {
            "audio": lambda: self.sound.kind,
            "landmarks": lambda: Kind.of(
                "landmarks", [Axis("time", unit="s", step=step), "joint"], channels=["x", "y"], peak=1.0
            ),
            "image": lambda: Kind.clip(),
            "text": lambda: Kind.of("text", ["word"], channels=_width(source), peak=None),
        }
        return {name: known[name]() for name in self.kinds_read}

    def read(self, source: Manifest, item: Item) -> dict[str, Tensor]:
        """See the class.

        Raises:
            DataError: If a shard is not what the row says.
        """
        row = source.rows[item.numbers[0]]
        found = self._window(source, row, self._start(row, item, 0))
        if self.windows == 2:
            other = self._window(source, row, self._start(row, item, 1))
            both = {name: found[name + THERE] & other[name + THERE] for name in self.kinds_read}
            found |= {SECOND + name: other[name] for name in self.kinds_read}
            found |= {name + THERE: there for name, there in both.items()}
        group = int.from_bytes(hashlib.sha256(row["subject"].encode()).digest()[:8]) >> 1
        return {**found, "group": torch.tensor(group)}

    def describe(self, source: Manifest, item: Item) -> About:
        """Whose, which recording, and which second the window begins with."""
        row = source.rows[item.numbers[0]]
        place: dict[str, str | int] = {"second": f"{self._start(row, item, 0):.2f}"}
        return About(row["case"], row["subject"], label=row.get("label"), place=place)

    def _start(self, row: Row, item: Item, number: int) -> float:
        """Of a window, in seconds of the clock that all of a row share."""
        spare = row["count"] / row["rate"] - self.sound.seconds
        if self.test_view or spare <= 0:
            return float(row["start"])
        rng = np.random.default_rng((self.seed, item.epoch, item.index, number))
        return float(row["start"] + rng.uniform(0.0, spare))

    def _window(self, source: Manifest, row: Row, start: float) -> dict[str, Tensor]:
        found: dict[str, Tensor] = {}
        for name in self.kinds_read:
            data, share = self._heard(source, row, start) if name == "audio" else self._seen(source, row, name, start)
            there = share > 0 if name == "text" else share >= self.least
            found[name] = data if there else torch.full_like(data, torch.nan)
            found[name + THERE] = torch.tensor(there)
        return found

    def _heard(self, source: Manifest, row: Row, start: float) -> tuple[Tensor, float]:
        track = Track.of(row)
        data, real = self.sound.read(source.shards[track.shard], track, track.sample_at(start))
        return data, float(real.float().mean())

    def _seen(self, source: Manifest, row: Row, name: str, start: float) -> tuple[Tensor, float]:
        """A window of a series as its kind has it, and which share of it was there."""
        series = Series.of(row, name)
        count = self.pictures if name == "image" else self.steps
        if name == "image":
            seconds = start + (np.arange(count) + 0.5) * self.sound.seconds / count
        else:  # in the middle of the frames of the sound
            seconds = start + self.front.seconds(count).numpy().astype(np.float64)
        if series is None:
            return torch.full(self._shape(source, name), torch.nan), 0.0
        values, there = series.at(source.shards[series.shard], seconds)
        if name == "image":
            return torch.from_numpy(values).permute(3, 0, 1, 2).float() / 255, float(there.mean())  # (3, F, H, W)
        seen = there & (values.reshape(count, -1, values.shape[-1])[:, :, -1] > 0).any(axis=1)
        values = values[..., :-1].astype(np.float32)  # the last says whether it was there
        if name == "text":
            return torch.from_numpy(np.where(seen[:, None], values, 0.0).T.copy()), float(seen.mean())  # (width, T)
        return torch.from_numpy(held(values, seen).transpose(2, 0, 1).copy()), float(seen.mean())  # (2, T, 51)

    def _shape(self, source: Manifest, name: str) -> tuple[int, ...]:
        """Of a window of a recording that lacks it: as others have it."""
        other = next(series for row in source if (series := Series.of(row, name)) is not None)
        like = source.shards[other.shard].shape
        if name == "image":
            return 3, self.pictures, like[1], like[2]
        return (like[-1] - 1, self.steps) if name == "text" else (2, self.steps, like[1])


def _width(source: Manifest) -> list[str]:
    """Names of the numbers of a word vector."""
    series = next((found for row in source if (found := Series.of(row, "text")) is not None), None)
    return [] if series is None else [str(number) for number in range(source.shards[series.shard].shape[1] - 1)]
