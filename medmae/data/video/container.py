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
from medmae.data.video.listening import Listener
from medmae.data.video.times import plausible
from medmae.data.video.video import Video
from medmae.errors import DataError

# FFmpeg also opens playlists, text and URLs, which a file of a data set must not make it do.
_FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpeg,mpegts,mpegvideo,m4v,h264,hevc,av1,obu,ivf,asf,flv,ogg,mxf,dv,"
    "mjpeg,nut,rm,yuv4mpegpipe,wtv,mp3,wav,flac,aac"
)
_BARE = {"h264", "hevc", "m4v", "mpegvideo", "mjpeg", "av1", "obu"}  # streams without times: FFmpeg makes them up
_STRICT = {"err_detect": "crccheck+bitstream+buffer+explode"}
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
        self._leading: str | None = None  # what was damaged before the first frame

    def _decoded(self) -> Iterator[tuple[np.ndarray, float | None]]:
        av = load_av()
        with ExitStack() as stack:
            handle = self._handle or stack.enter_context(self.path.open("rb"))
            number = self._best(av, handle)
            handle.seek(0)
            container = stack.enter_context(self._opened(av, handle))
            stream = container.streams[number]
            context = stream.codec_context
            if context is None:
                raise DataError(
                    "no decoder for its pictures", path=self.path, field="codec", remedy="convert it to mp4"
                )
            self._describe(container, stream)
            context.options, context.thread_count = dict(_STRICT), 1
            yield from self._frames(av, container, stream)

    def stored(self) -> Iterator[tuple[np.ndarray, float | None]]:
        """Frames as they are stored, for what holds such a stream inside."""
        return self._decoded()

    def _opened(self, av: ModuleType, handle: IO[bytes]) -> Any:  # noqa: ANN401 - PyAV is untyped
        try:
            # A handle, not a name: names can be patterns, lists or addresses to FFmpeg.
            return av.open(handle, metadata_errors="replace", container_options={"format_whitelist": _FORMATS})
        except (av.FFmpegError, ValueError, OSError) as error:
            raise DataError(
                f"FFmpeg cannot open it as a video ({_text(error)})",
                path=self.path,
                field="format",
                remedy="look whether it is one; if its end is missing, copy or export it again",
            ) from error

    def _best(self, av: ModuleType, handle: IO[bytes]) -> int:
        """Number of the stream of moving pictures with most pixels; never a cover picture or thumbnail."""
        handle.seek(0)
        with self._opened(av, handle) as container:
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
        number = 0
        try:
            for frame in self._undamaged(av, container, stream):
                for shown in deinterlacer(frame):
                    yield self._pixels(shown), None if self._timeless else shown.time
                    number += 1
        except av.FFmpegError as error:
            self.damage = f"damaged after {number} frames: {_text(error)}"
        for shown in deinterlacer(None):
            yield self._pixels(shown), None if self._timeless else shown.time
            number += 1
        if not number:
            raise DataError(
                f"no frame can be decoded: {self.damage or self._leading or 'it holds none from a key frame on'}",
                path=self.path,
                field="frames",
                value=0,
                remedy="copy or export it again",
            )
        if deinterlacer.used:
            self.flag("deinterlaced")
        if self._leading:
            self.flag("start_damaged")
        if self.declared is not None and self.declared != number:
            self.flag(f"header_frames:{self.declared}")

    def _undamaged(self, av: ModuleType, container: Any, stream: Any) -> Iterator[Any]:  # noqa: ANN401
        """Decoded frames, until one is damaged; what is damaged before the first is passed over to the next key frame.

        The last packet of a container is empty and makes the decoder give what it holds back.
        """
        listener = Listener(av, self.container)
        packets = container.demux(stream)
        found = waiting = False
        while (packet := listener(lambda: next(packets, None))) is not None:
            if waiting and packet.size and not packet.is_keyframe:
                continue
            try:
                if packet.is_corrupt:
                    raise av.InvalidDataError(0, "the file ends within a frame, or its container marks it as damaged")
                for frame in listener(packet.decode):
                    if frame.is_corrupt:
                        raise av.InvalidDataError(0, "the decoder marks a frame as damaged")
                    found, waiting = True, False
                    yield frame
            except av.FFmpegError as error:
                if found:
                    raise
                waiting, self._leading = True, _text(error)
                stream.codec_context.flush_buffers()

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


def _text(error: Exception) -> str:
    """What an error of PyAV says, without its number and without the name of a file."""
    return str(getattr(error, "strerror", None) or error)


def load_av() -> ModuleType:
    """PyAV, on first use.

    Raises:
        ModuleNotFoundError: With how to install it.
    """
    try:
        import av
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError("video files need the package av: pip install 'av>=17'", name="av") from error
    return av
