"""What a network gets of a sound: a cut of it as a log-mel spectrogram, and which of its frames were heard."""

from __future__ import annotations

import hashlib
import warnings
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from medmae.data.audio.stored import Track, read_cut
from medmae.data.augment.sound import SoundAugment
from medmae.errors import DataError
from medmae.kinds import Kind
from medmae.tokens.spectrogram import LogMel, kaldi


@dataclass(frozen=True, kw_only=True)
class SoundCut:
    """``(1, frames, bands)`` of a sound, by a front end.

    Args:
        front: Front end; sounds must have been prepared at its rate.
        frames: How many; the cut is as long as that takes. A shorter sound fills the first ones.
        fill: What stands in frames that were not heard; None is what the front end makes of silence.
        channel: Which channel, of sounds that were prepared with all of them.
        augment: What is changed before the front end and behind it; never in a test.

    Raises:
        ValueError: If ``frames`` is not positive.
    """

    front: LogMel = field(default_factory=kaldi)
    frames: int = 1024
    fill: float | None = None
    channel: int = 0
    augment: SoundAugment | None = None

    def __post_init__(self) -> None:
        if self.frames < 1 or self.channel < 0:
            raise ValueError(f"frames must be positive and channel >= 0, got {self.frames} and {self.channel}")

    @property
    def samples(self) -> int:
        """Of the cut."""
        hop = self.front.hop
        return self.front.frame + (self.frames - 1) * hop if self.front.whole_frames else self.frames * hop

    @property
    def seconds(self) -> float:
        """How long the cut is."""
        return self.samples / self.front.rate

    @property
    def kind(self) -> Kind:
        """What it is."""
        return self.front.kind("audio")

    @property
    def options(self) -> dict[str, Any]:
        """What a sample depends on, as JSON can hold it; hashes stand for the bands and the window."""
        front, shapes = self.front, hashlib.sha256()
        for table in (front.bank, front.window):
            shapes.update(table.numpy().tobytes())
        return {"arguments": front.arguments, "bands_and_window": shapes.hexdigest()[:16]}

    def check(self, tracks: list[Track], *, path: object) -> None:
        """Refuses sounds of another rate, and without this channel.

        Raises:
            DataError: With the rates that there are.
        """
        rates, channels = {track.rate for track in tracks}, min((track.channels for track in tracks), default=1)
        if rates - {self.front.rate}:
            raise DataError(
                f"the front end takes {self.front.rate} Hz",
                path=str(path),
                field="rate",
                value=sorted(rates),
                remedy=f"prepare the sounds with --rate {self.front.rate}, or take a front end for their rate",
            )
        if self.channel >= channels:
            raise DataError(
                f"some sounds have {channels} channels, and this view reads number {self.channel}",
                path=str(path),
                field="channels",
                value=channels,
                remedy="choose another channel, or prepare them with --mix all",
            )
        if (most := max((track.channels for track in tracks), default=1)) > 1:
            told = f"{path}: of up to {most} channels number {self.channel} is heard, and the others are not"
            warnings.warn(f"{told}: prepare the sounds with --mix mean for all of them", stacklevel=2)

    def whole_of(self, track: Track) -> bool:
        """Whether every cut of a sound is heard from its first frame to its last."""
        return track.count >= self.samples and not track.missing

    def read(
        self, shard: np.ndarray, track: Track, first: int, rng: np.random.Generator | None = None
    ) -> tuple[Tensor, Tensor]:
        """A cut from a sample on.

        Args:
            shard: Of the sound.
            track: Of it.
            first: Sample; may be negative.
            rng: Of the augmentation; None for a test.

        Returns:
            Spectrogram ``(1, frames, bands)`` float32, and which frames were heard ``(frames,)`` bool.
        """
        heard = track.recorded(first, self.samples)
        sound = read_cut(shard, track, first, self.samples)[self.channel]  # (T,)
        change = self.augment if rng is not None else None
        if change is not None and rng is not None:
            sound = change.sound(sound, heard, rng)
        spectrogram = torch.full((self.frames, len(self.front.bank)), self.silence)
        real = torch.zeros(self.frames, dtype=torch.bool)
        for start, end in _runs(heard, self.front.hop):
            count = self.front.num_frames(end - start)
            if not count:
                continue
            place = start // self.front.hop
            found = self.front(torch.from_numpy(sound[None, start:end]))[0, 0]  # (count, bands)
            count = min(count, self.frames - place)
            spectrogram[place : place + count], real[place : place + count] = found[:count], True
        if change is not None and rng is not None:
            spectrogram = change.spectrogram(spectrogram, rng)
        return spectrogram.unsqueeze(0), real

    @property
    def silence(self) -> float:
        """What stands where nothing was heard."""
        return self.front.silence if self.fill is None else self.fill


def _runs(heard: np.ndarray, hop: int) -> list[tuple[int, int]]:
    """From where to where samples were recorded without a gap; each begins where a frame does."""
    edges = np.flatnonzero(np.diff(heard.astype(np.int8), prepend=0, append=0))
    return [(-(-int(start) // hop) * hop, int(end)) for start, end in zip(edges[::2], edges[1::2], strict=True)]
