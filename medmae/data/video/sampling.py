"""Which frames of a video make a clip: dense or one a segment, in frames or in seconds; drawn, centred, or all views.

The rules in frames are those of VideoMAE (Tong et al., NeurIPS 2022, arXiv 2203.12602): a clip of pre-training starts
anywhere and steps on evenly; a shorter video is stepped through once, then its last frame of that walk is repeated.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

_EPSILON = 1e-6  # seconds, of rounding


@dataclass(frozen=True)
class Timeline:
    """The frames of a video.

    Args:
        count: How many.
        seconds: When each is shown ``(count,)``; None where nothing tells.
    """

    count: int
    seconds: np.ndarray | None = None

    def __post_init__(self) -> None:
        if self.count < 1 or (self.seconds is not None and len(self.seconds) != self.count):
            raise ValueError(f"a video has at least one frame, and a time for each, got {self.count}")


class Sampling(ABC):
    """How clips of T frames are taken; a dataclass, whose fields are all that it depends on."""

    frames: int
    needs_seconds: ClassVar[bool] = False

    @abstractmethod
    def draw(self, video: Timeline, rng: np.random.Generator) -> np.ndarray:
        """Frames ``(T,)`` of a clip that chance chooses."""

    @abstractmethod
    def views(self, video: Timeline, clips: int) -> np.ndarray:
        """Frames ``(clips, T)`` of the clips of a test, always the same; one clip is the middle."""


@dataclass(frozen=True, kw_only=True)
class DenseFrames(Sampling):
    """T frames, every so many: what moves within seconds.

    Args:
        frames: T.
        stride: Frames from one to the next.
    """

    frames: int = 16
    stride: int = 4

    def __post_init__(self) -> None:
        _check_positive(frames=self.frames, stride=self.stride)

    def draw(self, video: Timeline, rng: np.random.Generator) -> np.ndarray:
        """A clip that starts anywhere where all of its span is left."""
        span = self.frames * self.stride
        start = int(rng.integers(video.count - span + 1)) if video.count >= span else 0
        return self._walk(start, video.count)

    def views(self, video: Timeline, clips: int) -> np.ndarray:
        """Clips spread evenly over every ``stride``-th frame of the video; a shorter one is padded with the last."""
        _check_positive(clips=clips)
        strided = np.arange(0, video.count, self.stride)
        strided = np.pad(strided, (0, max(0, self.frames - len(strided))), mode="edge")
        room = len(strided) - self.frames
        starts = [room // 2] if clips == 1 else [int(clip * room / (clips - 1)) for clip in range(clips)]
        return np.stack([strided[start : start + self.frames] for start in starts])

    def _walk(self, start: int, count: int) -> np.ndarray:
        steps = np.arange(self.frames)
        last = (count - 1 - start) // self.stride  # the last step that still lands on a frame
        return start + np.minimum(steps, last) * self.stride


@dataclass(frozen=True, kw_only=True)
class StillFrame(Sampling):
    """The middle frame of a clip of :class:`DenseFrames`, T times: a control, to which no order of frames is known.

    Args:
        frames: T;
        stride: of the clip.
    """

    frames: int = 16
    stride: int = 4

    def __post_init__(self) -> None:
        _check_positive(frames=self.frames, stride=self.stride)

    def draw(self, video: Timeline, rng: np.random.Generator) -> np.ndarray:
        """That of a clip that starts anywhere."""
        return self._middle(self._dense.draw(video, rng))

    def views(self, video: Timeline, clips: int) -> np.ndarray:
        """Those of clips spread evenly."""
        return np.stack([self._middle(clip) for clip in self._dense.views(video, clips)])

    @property
    def _dense(self) -> DenseFrames:
        return DenseFrames(frames=self.frames, stride=self.stride)

    def _middle(self, clip: np.ndarray) -> np.ndarray:
        return clip[len(clip) // 2].repeat(len(clip))


@dataclass(frozen=True, kw_only=True)
class DenseSpan(Sampling):
    """T frames over a span of frames, its end included: VideoMAE's clips of fine-tuning.

    Args:
        frames: T.
        stride: A span has ``frames * stride`` frames, and steps of ``frames * stride / (frames - 1)``.
    """

    frames: int = 16
    stride: int = 4

    def __post_init__(self) -> None:
        _check_positive(frames=self.frames, stride=self.stride)

    def draw(self, video: Timeline, rng: np.random.Generator) -> np.ndarray:
        """A span that ends anywhere; a shorter video is stepped through, then its last frame repeated."""
        span = self.frames * self.stride
        if video.count > span:
            end = int(rng.integers(span, video.count))
            return np.linspace(end - span, end, self.frames).clip(end - span, end - 1).astype(np.int64)
        steps = np.linspace(0, video.count, max(1, video.count // self.stride))
        padded = np.pad(steps, (0, self.frames - len(steps)), constant_values=video.count)
        return padded.clip(0, video.count - 1).astype(np.int64)

    def views(self, video: Timeline, clips: int) -> np.ndarray:
        """As :class:`DenseFrames` does."""
        return DenseFrames(frames=self.frames, stride=self.stride).views(video, clips)


@dataclass(frozen=True, kw_only=True)
class DenseSeconds(Sampling):
    """T frames, one every so many seconds, whatever the rate: the frame that is shown at each time.

    Args:
        frames: T.
        step: Seconds from one to the next.
    """

    frames: int = 16
    step: float = 0.133
    needs_seconds: ClassVar[bool] = True

    def __post_init__(self) -> None:
        _check_positive(frames=self.frames, step=self.step)

    def draw(self, video: Timeline, rng: np.random.Generator) -> np.ndarray:
        """A clip that starts anywhere where all of its span is left; else at 0, and the last frame is repeated."""
        room = max(0.0, _duration(video) - self.frames * self.step)
        return self._at(video, float(rng.uniform(0, room)) if room else 0.0)

    def views(self, video: Timeline, clips: int) -> np.ndarray:
        """Clips spread evenly over the duration."""
        _check_positive(clips=clips)
        room = max(0.0, _duration(video) - self.frames * self.step)
        starts = [room / 2] if clips == 1 else np.linspace(0, room, clips).tolist()
        return np.stack([self._at(video, start) for start in starts])

    def _at(self, video: Timeline, start: float) -> np.ndarray:
        seconds = _seconds(video)
        wanted = start + np.arange(self.frames) * self.step + _EPSILON
        return (np.searchsorted(seconds, wanted, side="right") - 1).clip(0, video.count - 1)


@dataclass(frozen=True, kw_only=True)
class Segments(Sampling):
    """One frame of each of T equal parts of the video (TSN): what is told by the order of events.

    Args:
        frames: T.
    """

    frames: int = 16

    def __post_init__(self) -> None:
        _check_positive(frames=self.frames)

    def draw(self, video: Timeline, rng: np.random.Generator) -> np.ndarray:
        """Any frame of each part; of a video with fewer frames than parts, some come twice."""
        return self._frames(video, rng.random(self.frames))

    def views(self, video: Timeline, clips: int) -> np.ndarray:
        """Of two clips, the first has the starts of all parts and the second their centres; more are spread alike."""
        _check_positive(clips=clips)
        shares = [0.5] if clips == 1 else [clip / clips for clip in range(clips)]
        return np.stack([self._frames(video, np.full(self.frames, share)) for share in shares])

    def _frames(self, video: Timeline, shares: np.ndarray) -> np.ndarray:
        part = video.count / self.frames
        found = ((np.arange(self.frames) + shares) * part).astype(np.int64)
        return found.clip(0, video.count - 1)


def _seconds(video: Timeline) -> np.ndarray:
    if video.seconds is None:
        raise ValueError("nothing tells when the frames of this video are shown: sample it by frames")
    return video.seconds


def _duration(video: Timeline) -> float:
    """From the first frame to the end of the last, which is shown as long as frames are on average."""
    seconds = _seconds(video)
    return float(seconds[-1]) * video.count / max(1, video.count - 1)


def _check_positive(**values: float) -> None:
    for name, value in values.items():
        if value <= 0:
            raise ValueError(f"{name} must be positive, got {value}")
