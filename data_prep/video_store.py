"""One video to one shard: every frame decoded once, reduced, kept as grey where it is grey, and looked at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, Literal

import numpy as np

from data_prep.audio_track import SoundOptions
from data_prep.growing import growing_shard
from data_prep.video_static import StaticParts
from medmae.data.video.opening import open_video
from medmae.data.video.times import Times, plausible, settle_times
from medmae.data.video.video import Video
from medmae.errors import DataError
from medmae.files import atomic_write

_RATES_AGREE = 0.02  # relative difference
_LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)  # ITU-R 601, as Pillow has it


@dataclass(frozen=True, kw_only=True)
class Options:
    """What shapes the shards; a video is prepared anew when one of these changes.

    Args:
        short_side: Frames whose shorter side is larger are reduced to it; 0 leaves sizes as they are.
        fps: Most frames a second that are kept; 0 keeps all.
        channels: ``auto`` stores grey where all frames of a video are grey, else RGB; ``1`` and ``3`` decide for all.
        mask_static: Whether to blacken what never moves: borders, text, scales.
        damaged: ``keep`` stores what precedes the damage, ``refuse`` quarantines the video.
        limit_gb: Most that the frames of one video may take up, in 10^9 bytes.
        sound: How its sound is kept; None leaves it out.
    """

    short_side: int = 256
    fps: float = 0.0
    channels: Literal["auto", "1", "3"] = "auto"
    mask_static: bool = False
    damaged: Literal["keep", "refuse"] = "keep"
    limit_gb: float = 16.0
    sound: SoundOptions | None = None

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Options:
        """Of what :func:`dataclasses.asdict` gave."""
        sound = values["sound"]
        return cls(**{**values, "sound": None if sound is None else SoundOptions(**sound)})


@dataclass(frozen=True, kw_only=True)
class Stored:
    """What was stored.

    Args:
        shape: (T, H, W, C) of the shard.
        times: Of its frames, from the first.
        video: As it is after its only pass.
        static: What never moves.
        flags: Of reading, times and content.
        start: When its first frame is shown, on the clock of the file; None where nothing tells.
    """

    shape: tuple[int, int, int, int]
    times: Times
    video: Video
    static: StaticParts
    flags: tuple[str, ...]
    start: float | None = None


class _ColourFoundError(Exception):
    """A frame is not grey, though all before it were."""


def store(path: Path, shard: Path, options: Options, *, rate: float | None = None) -> Stored:
    """Decodes a video into ``shard``, uint8 ``(T, H, W, C)``.

    Args:
        path: File, or folder of frames.
        shard: ``.npy`` to write.
        options: See there.
        rate: Frames a second that somebody states of a video which does not tell them itself.

    Raises:
        DataError: If it cannot be read, has fewer than two frames, or is damaged and that is refused.
    """
    if options.channels != "auto":
        return _store(path, shard, options, channels=int(options.channels), rate=rate)
    try:
        return _store(path, shard, options, channels=1, rate=rate, only_grey=True)
    except _ColourFoundError:  # mostly in the first frame
        return _store(path, shard, options, channels=3, rate=rate)


def _store(
    path: Path, shard: Path, options: Options, *, channels: int, rate: float | None, only_grey: bool = False
) -> Stored:
    video = open_video(path, short_side=options.short_side or None)
    thinning = _Thinning(options.fps, video, rate)
    times: list[float | None] = []
    kept: list[int] = []
    static: StaticParts | None = None
    frames = iter(video)
    first = next(frames, None)
    if first is None:
        raise DataError("it holds no frame", path=path, field="frames", value=0, remedy="leave it out")
    H, W = first.pixels.shape[:2]
    with growing_shard(shard, shape=(H, W, channels)) as growing:
        for frame in chain([first], frames):
            if thinning.keeps(frame.time):
                pixels = _with_channels(frame.pixels, channels, only_grey=only_grey)
                static = StaticParts.start(pixels) if static is None else static
                static.see(pixels)
                growing.append(pixels)
                kept.append(len(times))
                _check_size(len(kept) * pixels.nbytes, options, path)
            times.append(frame.time)
        _check_end(video, len(times), options)
    assert static is not None, "the first frame is always kept"
    settled = _settled(times, kept, video, rate)
    flags = [*video.flags, *settled.flags, *static.flags()]
    if options.mask_static and not static.frozen:
        _blacken(shard, static.mask())
        flags.append("static_masked")
    shape = (len(kept), H, W, channels)
    return Stored(
        shape=shape, times=settled, video=video, static=static, flags=tuple(dict.fromkeys(flags)), start=_first(times)
    )


class _Thinning:
    """Chooses frames by their times, on a clock that never goes back."""

    def __init__(self, fps: float, video: Video, rate: float | None) -> None:
        self._step = 1 / fps if fps else 0.0
        self._video, self._rate = video, rate
        self._clock, self._due, self._start = -1.0, 0.0, None if fps else 0.0
        self._number = -1

    def keeps(self, time: float | None) -> bool:
        """Whether the next frame is kept."""
        if not self._step:
            return True
        self._number += 1
        rate = plausible(self._video.stated_rate) or self._rate
        if self._start is None and time is not None:
            self._start = time
        told = None if time is None or self._start is None else time - self._start
        if told is None or (told <= self._clock and self._number):
            if rate is None:
                raise DataError(
                    "frames cannot be chosen by time: nothing tells when they are shown",
                    path=self._video.path,
                    field="--fps",
                    remedy="state the rate in a column fps of a table, or leave --fps out",
                )
            told = max(self._clock, 0.0) + (1 / rate if self._number else 0.0)
        self._clock = told
        if told + 1e-6 < self._due:
            return False
        self._due = max(self._due + self._step, told + self._step / 2)
        return True


def _settled(times: list[float | None], kept: list[int], video: Video, rate: float | None) -> Times:
    everything = settle_times(times, stated_rate=video.stated_rate or rate)
    flags = list(everything.flags)
    if rate is not None:
        taken = "times_from_rate" in flags and video.stated_rate is None
        agrees = everything.fps is not None and abs(everything.fps / rate - 1) < _RATES_AGREE
        flags += ["rate_from_table"] if taken else [] if agrees else [f"table_rate:{rate:g}"]
    if len(kept) == len(times) or everything.seconds is None:
        return Times(everything.seconds, everything.fps, tuple(flags))
    some = everything.seconds[kept]
    thinned = settle_times(some.tolist())
    return Times(thinned.seconds, thinned.fps, (*(flag for flag in flags if flag != "variable_rate"), *thinned.flags))


def _first(times: list[float | None]) -> float | None:
    """The earliest time that a frame has: jumbled ones are in no order."""
    return min((time for time in times if time is not None), default=None)


def _with_channels(pixels: np.ndarray, channels: int, *, only_grey: bool) -> np.ndarray:
    if pixels.shape[-1] == channels:
        return pixels
    if channels == 3:
        return np.repeat(pixels, 3, axis=-1)
    grey = pixels[..., :1]
    if (grey == pixels).all():
        return np.ascontiguousarray(grey)
    if only_grey:
        raise _ColourFoundError
    return (pixels @ _LUMA).round().astype(np.uint8)[..., None]


def _check_size(stored: int, options: Options, path: Path) -> None:
    if stored > options.limit_gb * 1e9:
        raise DataError(
            f"its frames take up more than the limit of {options.limit_gb:g} GB",
            path=path,
            field="bytes",
            value=stored,
            remedy="raise --limit-gb, or store less: --fps 5, --short-side 160",
        )


def _check_end(video: Video, count: int, options: Options) -> None:
    if video.damage is not None and (options.damaged == "refuse" or count < 2):
        raise DataError(video.damage, path=video.path, field="frames", value=count, remedy="copy or export it again")
    if count < 2:
        raise DataError(
            "it has a single frame: that is a picture, not a video",
            path=video.path,
            field="frames",
            value=count,
            remedy="leave it out; pictures are read without preparation",
        )


def _blacken(shard: Path, mask: np.ndarray) -> None:
    """Writes the shard again, 0 where the mask ``(H, W)`` is true."""
    array = np.load(shard, mmap_mode="r", allow_pickle=False)  # (T, H, W, C)
    with atomic_write(shard) as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": array.shape})
        for frame in array:
            file.write(np.where(mask[..., None], np.uint8(0), frame).tobytes())
