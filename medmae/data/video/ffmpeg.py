"""What readers of pictures and of sound share of PyAV (FFmpeg): opening a file, and decoding until it is damaged."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import IO, Any

from medmae.data.video.listening import Listener
from medmae.errors import DataError

# FFmpeg also opens playlists, text and URLs, which a file of a data set must not make it do.
_FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpeg,mpegts,mpegvideo,m4v,h264,hevc,av1,obu,ivf,asf,flv,ogg,mxf,dv,"
    "mjpeg,nut,rm,yuv4mpegpipe,wtv,mp3,wav,flac,aac,w64,aiff,au,caf,amr,ac3"
)
STRICT = {"err_detect": "crccheck+bitstream+buffer+explode"}


def load_av() -> ModuleType:
    """PyAV, on first use.

    Raises:
        ModuleNotFoundError: With how to install it.
    """
    try:
        import av
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "videos and their sound need the package av: pip install 'av>=17'", name="av"
        ) from error
    return av


def open_container(av: ModuleType, handle: IO[bytes], path: Path, *, what: str) -> Any:  # noqa: ANN401 - PyAV is untyped
    """A file as FFmpeg sees it.

    Args:
        av: The module.
        handle: Its bytes, not a name: names can be patterns, lists or addresses to FFmpeg.
        path: For messages.
        what: It should be, such as ``video``.

    Raises:
        DataError: If FFmpeg cannot open it.
    """
    try:
        return av.open(handle, metadata_errors="replace", container_options={"format_whitelist": _FORMATS})
    except (av.FFmpegError, ValueError, OSError) as error:
        raise DataError(
            f"FFmpeg cannot open it as a {what} ({text_of(error)})",
            path=path,
            field="format",
            remedy="look whether it is one; if its end is missing, copy or export it again",
        ) from error


class Undamaged:
    """Decoded frames of a stream until one is damaged; what is damaged before the first is passed over.

    Args:
        av: The module.
        container: As :func:`open_container` gives it.
        stream: Of it.

    Attributes:
        leading: What was damaged before the first frame, up to the next key frame; None if nothing was.

    Raises:
        FFmpegError: While frames are taken: of damage after the first of them.
    """

    def __init__(self, av: ModuleType, container: Any, stream: Any) -> None:  # noqa: ANN401
        self.leading: str | None = None
        self._av, self._container, self._stream = av, container, stream

    def __iter__(self) -> Iterator[Any]:
        """The last packet of a container is empty and makes the decoder give what it holds back."""
        av, listener = self._av, Listener(self._av, self._container.format.name)
        packets = self._container.demux(self._stream)
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
                waiting, self.leading = True, text_of(error)
                self._stream.codec_context.flush_buffers()


def text_of(error: Exception) -> str:
    """What an error of PyAV says, without its number and without the name of a file."""
    return str(getattr(error, "strerror", None) or error)
