"""A whole video in memory: for short ones, for tests, for whoever wants to look."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from medmae.data.video.opening import open_video
from medmae.data.video.times import Times, settle_times


@dataclass(frozen=True, kw_only=True)
class Clip:
    """A decoded video.

    Args:
        frames: uint8 ``(T, H, W, C)``, upright, square pixels, C = 1 (grey) or 3 (RGB).
        times: When they are shown.
        flags: What a user should know.
        damage: Why it ends before the end of the file, or None.
        container: What held it.
        codec: How it was coded.
        content_sha256: Of its frames as they were decoded.
    """

    frames: np.ndarray
    times: Times
    flags: tuple[str, ...]
    damage: str | None
    container: str
    codec: str
    content_sha256: str


def read_video(path: str | Path, *, short_side: int | None = None) -> Clip:
    """Decodes a video of any kind; see :func:`medmae.data.video.opening.open_video`.

    Raises:
        DataError: With path, field and remedy, whatever is wrong with it.
    """
    video = open_video(path, short_side=short_side)
    frames = list(video)
    times = settle_times([frame.time for frame in frames], stated_rate=video.stated_rate)
    return Clip(
        frames=np.stack([frame.pixels for frame in frames]),
        times=times,
        flags=(*video.flags, *times.flags),
        damage=video.damage,
        container=video.container,
        codec=video.codec,
        content_sha256=video.content_sha256,
    )
