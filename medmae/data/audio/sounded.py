"""Clips with the sound that belongs to them, cut by the clock that both share."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from medmae.data.audio.clips import with_front
from medmae.data.audio.cut import SoundCut
from medmae.data.audio.stored import Track
from medmae.data.manifest import Manifest, Row
from medmae.data.source import Source
from medmae.data.video.clips import Clips
from medmae.data.video.times import seconds_of
from medmae.data.views import About, Item
from medmae.errors import DataError
from medmae.kinds import Kind


@dataclass(frozen=True, kw_only=True)
class SoundedClips(Clips):
    """As :class:`Clips`, with ``"audio"`` ``(1, frames, bands)`` around the middle of the clip's frames.

    A clip whose sound is not there (no track, silence, no overlap) is trained on as a picture that moves:
    ``"audio_there"``, bool, says so, and what stands in the place of its sound is NaN.
    ``"heard"`` ``(1, frames, bands)`` bool says in which frames of the spectrogram there was sound.

    Args:
        sound: How long its cut is, and by which front end.
        least: Share of the cut that must have been heard for it to count as there.
        needs_sound: Leaves out videos without sound, for networks that read both kinds or nothing.

    Raises:
        ValueError: As :class:`Clips`, or if ``least`` lies outside (0, 1].
    """

    sound: SoundCut = field(default_factory=SoundCut)
    least: float = 0.5
    needs_sound: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.least <= 1:
            raise ValueError(f"least must lie in (0, 1], got {self.least}")

    @property
    def options(self) -> dict[str, Any]:
        """See :attr:`View.options`."""
        return with_front(super().options, "sound", self.sound)

    def open(self, source: Source | str | Path) -> Manifest:
        """The manifest; how many videos have no sound, and why, is told.

        Raises:
            DataError: See :meth:`Clips.open`; or if no video has any sound, or sounds are of another rate.
        """
        manifest = super().open(source)
        why = Counter(reason for row in manifest if (reason := _silent_because(row)) is not None)
        if sum(why.values()) == len(manifest):
            raise DataError(
                "no video of this data set has its sound",
                path=manifest.path,
                field="sound",
                value=dict(why),
                remedy="prepare it with medmae prep video --sound, or take Clips",
            )
        if why:
            told = ", ".join(f"{count} {reason}" for reason, count in why.most_common())
            warnings.warn(
                f"{manifest.path}: {sum(why.values())} of {len(manifest)} videos have no sound and are "
                f"{'left out' if self.needs_sound else 'read as pictures alone'}: {told}",
                stacklevel=2,
            )
        self.sound.check([Track.of(row["sound"]) for row in manifest if row.get("sound")], path=manifest.path)
        return manifest

    def items(self, source: Manifest, places: Sequence[int]) -> np.ndarray:
        """As :meth:`Clips.items`."""
        kept = [place for place in places if not self.needs_sound or source.rows[place].get("sound")]
        return super().items(source, kept)

    def kinds(self, source: Manifest) -> dict[str, Kind]:
        """A clip and a spectrogram."""
        return {**super().kinds(source), "audio": self.sound.kind}

    def read(self, source: Manifest, item: Item) -> dict[str, Tensor]:
        """``{"image": (C, T, H, W), "audio": (1, frames, bands), "audio_there": (), "heard": (1, frames, bands)}``."""
        row = source.rows[item.numbers[0]]
        bands = len(self.sound.front.bank)
        audio = torch.full((1, self.sound.frames, bands), torch.nan)
        heard = torch.zeros(self.sound.frames, dtype=torch.bool)
        if row.get("sound"):
            track = Track.of(row["sound"])
            rng = None if self.test_views is not None else np.random.default_rng((self.seed, item.epoch, item.index, 3))
            audio, heard = self.sound.read(source.shards[track.shard], track, self._from(row, track, item), rng)
        there = float(heard.float().mean()) >= self.least
        return {
            **super().read(source, item),
            "audio": audio if there else torch.full_like(audio, torch.nan),
            "audio_there": torch.tensor(there),
            "heard": heard[None, :, None].expand(1, -1, bands).clone() & there,
        }

    def describe(self, source: Manifest, item: Item) -> About:
        """As :meth:`Clips.describe`, and which second of the sound its cut begins with, or why there is none."""
        about, row = super().describe(source, item), source.rows[item.numbers[0]]
        reason = _silent_because(row)
        place: dict[str, str | int] = {"sound": f"none: {reason}"}
        if reason is None:
            track = Track.of(row["sound"])
            first = self._from(row, track, item)
            place = {"sound": f"{track.start + first / track.rate:.2f}"}
        return About(about.case, about.subject, label=about.label, place={**about.place, **place})

    def _from(self, row: Row, track: Track, item: Item) -> int:
        """First sample of a cut around the middle of the clip, moved to lie within the sound where that is longer."""
        seconds = seconds_of(row)
        assert seconds is not None, "a video without times keeps no sound"
        frames, _ = self._chosen(row, item)
        middle = float(seconds[frames[0]] + seconds[frames[-1]]) / 2
        first = track.sample_at(middle - self.sound.seconds / 2)
        return min(max(first, 0), max(track.count - self.sound.samples, 0))


def _silent_because(row: Mapping[str, Any]) -> str | None:
    """Why a video has no sound; None of one that has."""
    if row.get("sound"):
        return None
    return str(row.get("sound_reason") or "prepared without sound")
