"""Video files through PyAV (FFmpeg): mp4, mov, webm, mkv, avi, mpeg, ts, wmv and their relatives.

What is told by the file itself is followed as a player does: presentation times, edit lists, display matrix, pixel
aspect, interlacing, colour matrix and range. PyAV below 17 ignores the matrix and range of a stream, hence the floor.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from types import ModuleType
from typing import IO, Any

import numpy as np

from medmae.data.video.deinterlace import Deinterlacer
from medmae.data.video.display import orientation_of, rotation_of
from medmae.data.video.ffmpeg import STRICT, Undamaged, load_av, open_container, text_of
from medmae.data.video.times import plausible
from medmae.data.video.video import Video
from medmae.errors import DataError

_BARE = {"h264", "hevc", "m4v", "mpegvideo", "mjpeg", "av1", "obu"}  # streams without times: FFmpeg makes them up
_ASPECTS = (1 / 8, 8.0)  # plausible width over height of a pixel
_UNKNOWN_MATRIX = "colour_matrix_unknown"
_UNSPECIFIED = 2  # FFmpeg's number of a colour matrix, primaries or curve that is not told
_CURVES = {16: "pq", 18: "hlg"}


class ContainerVideo(Video):
    """A file that FFmpeg demultiplexes and decodes, in one thread, with strict detection of errors.

    Args:
        path: Of the file, for messages.
        short_side: See :class:`medmae.data.video.video.Video`.
        handle: Its bytes, where they lie inside of something else; None opens ``path``.
    """

    def __init__(self, path: Path, *, short_side: int | None = None, handle: IO[bytes] | None = None) -> None:
        super().__init__(path, short_side=short_side)
        self._handle = handle
        self._timeless = False

    def _decoded(self) -> Iterator[tuple[np.ndarray, float | None]]:
        av = load_av()
        with ExitStack() as stack:
            handle = self._handle or stack.enter_context(self.path.open("rb"))
            number = self._best(av, handle)
            handle.seek(0)
            container = stack.enter_context(open_container(av, handle, self.path, what="video"))
            stream = container.streams[number]
            context = stream.codec_context
            if context is None:
                raise DataError(
                    "no decoder for its pictures", path=self.path, field="codec", remedy="convert it to mp4"
                )
            self._describe(container, stream)
            context.options, context.thread_count = dict(STRICT), 1
            yield from self._frames(av, container, stream)

    def stored(self) -> Iterator[tuple[np.ndarray, float | None]]:
        """Frames as they are stored, for what holds such a stream inside."""
        return self._decoded()

    def _best(self, av: ModuleType, handle: IO[bytes]) -> int:
        """Number of the stream of moving pictures with most pixels; never a cover picture or thumbnail."""
        handle.seek(0)
        with open_container(av, handle, self.path, what="video") as container:
            still = {"attached_pic", "timed_thumbnails", "still_image"}
            moving = [stream for stream in container.streams.video if not still & _dispositions(stream)]
            if not moving:
                what = "only a cover picture" if container.streams.video else "only sound, or nothing"
                raise DataError(
                    f"it has no moving pictures, {what}",
                    path=self.path,
                    field="streams",
                    value=[stream.type for stream in container.streams],
                    remedy="leave it out, or export the video again",
                )
            if len(moving) > 1:  # a thumbnail that does not say so has one frame
                moving = self._with_frames(av, container, moving)
                self.flag(f"video_streams:{len(container.streams.video)}")
            return int(max(moving, key=lambda stream: (stream.width or 0) * (stream.height or 0)).index)

    def _with_frames(self, av: ModuleType, container: Any, streams: list[Any]) -> list[Any]:  # noqa: ANN401
        """The streams that have more than one packet, if any has."""
        counts = dict.fromkeys((stream.index for stream in streams), 0)
        with contextlib.suppress(av.FFmpegError):  # damage is found when it is decoded
            for packet in container.demux(streams):
                counts[packet.stream_index] += packet.size > 0
        return [stream for stream in streams if counts[stream.index] > 1] or streams

    def _describe(self, container: Any, stream: Any) -> None:  # noqa: ANN401
        self.container, self.codec = container.format.name, stream.codec_context.name
        self.check_pixels(stream.width or 0, stream.height or 0)
        self._timeless = self.container in _BARE
        rate = stream.codec_context.framerate if self._timeless else stream.average_rate or stream.guessed_rate
        self.stated_rate = plausible(rate) if self.codec != "mjpeg" or not self._timeless else None
        self.declared = stream.frames if stream.frames > 0 else None
        if stream.average_rate is not None and self.stated_rate is None:
            self.flag(f"implausible_rate:{float(stream.average_rate):.6g}")
        aspect = stream.sample_aspect_ratio
        if aspect and aspect != 1:
            usual = _ASPECTS[0] <= aspect <= _ASPECTS[1]
            self.aspect = float(aspect) if usual else 1.0
            self.flag(f"pixel_aspect:{aspect.numerator}/{aspect.denominator}" if usual else "implausible_pixel_aspect")

    def _frames(self, av: ModuleType, container: Any, stream: Any) -> Iterator[tuple[np.ndarray, float | None]]:  # noqa: ANN401
        deinterlacer = Deinterlacer(av, stream)
        number, undamaged = 0, Undamaged(av, container, stream)
        try:
            for frame in undamaged:
                for shown in deinterlacer(frame):
                    yield self._pixels(shown), None if self._timeless else shown.time
                    number += 1
        except av.FFmpegError as error:
            self.damage = f"damaged after {number} frames: {text_of(error)}"
        for shown in deinterlacer(None):
            yield self._pixels(shown), None if self._timeless else shown.time
            number += 1
        if not number:
            raise DataError(
                f"no frame can be decoded: {self.damage or undamaged.leading or 'it holds none from a key frame on'}",
                path=self.path,
                field="frames",
                value=0,
                remedy="copy or export it again",
            )
        if deinterlacer.used:
            self.flag("deinterlaced")
        if undamaged.leading:
            self.flag("start_damaged")
        if self.declared is not None and self.declared != number:
            self.flag(f"header_frames:{self.declared}")

    def _pixels(self, frame: Any) -> np.ndarray:  # noqa: ANN401
        """uint8 ``(H, W, 1)`` of grey formats, else RGB ``(H, W, 3)``, by the stream's own matrix and range."""
        turned = rotation_of(frame)
        if turned is not None:
            orientation, told = orientation_of(turned)
            self.orient(orientation)
            self.flags += [told] if told and told not in self.flags else []
        self.check_pixels(frame.width, frame.height)
        name = frame.format.name
        if name.startswith("gray") or name.startswith("mono"):
            if name != "gray":
                self.flag(f"pixels:{name}")
            return frame.to_ndarray(format="gray")[..., None]
        self._tell_colours(frame, name)
        if any(component.is_alpha for component in frame.format.components):
            self.flag("transparent_on_black")
            pixels = frame.to_ndarray(format="rgba")
            opacity = pixels[..., 3:].astype(np.uint16)
            pixels = ((pixels[..., :3] * opacity + 127) // 255).astype(np.uint8)
        else:
            pixels = frame.to_ndarray(format="rgb24")
        self._tell_matrix(frame, pixels)
        return pixels

    def _tell_colours(self, frame: Any, name: str) -> None:  # noqa: ANN401
        if frame.format.components[0].bits > 8:
            self.flag(f"pixels:{name}")
        if frame.color_trc in _CURVES:
            self.flag(f"not_tone_mapped:{_CURVES[frame.color_trc]}")

    def _tell_matrix(self, frame: Any, pixels: np.ndarray) -> None:  # noqa: ANN401
        """Flags colours whose matrix nobody stated; grey is the same by all of them."""
        unstated = frame.colorspace == _UNSPECIFIED and not frame.format.is_rgb and not frame.format.has_palette
        if unstated and _UNKNOWN_MATRIX not in self.flags and not np.array_equal(pixels[..., :-1], pixels[..., 1:]):
            self.flag(_UNKNOWN_MATRIX)  # then FFmpeg takes BT.601


def _dispositions(stream: Any) -> set[str]:  # noqa: ANN401
    return {flag.name for flag in stream.disposition if flag.name}
