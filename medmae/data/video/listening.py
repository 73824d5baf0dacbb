"""What FFmpeg says while it works: some damage is told in its log alone, and no error is raised."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import TypeVar

Result = TypeVar("Result")
_SILENT_DAMAGE = ("EOI missing", "overread", "concealing")  # of decoders that go on as if nothing had happened


class Listener:
    """Calls into FFmpeg, and listens.

    Args:
        av: The module.
        demuxer: Name of the container's format: all its errors count.
    """

    def __init__(self, av: ModuleType, demuxer: str) -> None:
        self._av, self._demuxer = av, demuxer

    def __call__(self, work: Callable[[], Result]) -> Result:
        """What ``work`` gives.

        Raises:
            FFmpegError: Its own, with what was said; or of ``InvalidDataError``, if only the log tells of damage.
        """
        logging = self._av.logging
        level, skips = logging.get_level(), logging.get_skip_repeated()
        logging.set_level(logging.WARNING)
        logging.set_skip_repeated(False)  # else what one file said is told again while another is read
        try:
            with logging.Capture() as said:
                try:
                    result = work()
                except self._av.FFmpegError as error:
                    raise self._av.InvalidDataError(error.errno, _with_words(error, said)) from error
        finally:
            logging.set_level(level)
            logging.set_skip_repeated(skips)
        for importance, name, text in said:
            if (name == self._demuxer and importance <= logging.ERROR) or any(word in text for word in _SILENT_DAMAGE):
                raise self._av.InvalidDataError(0, text.strip())
        return result


def _with_words(error: Exception, said: list[tuple[int, str, str]]) -> str:
    plain = str(getattr(error, "strerror", None) or error)
    words = [text.strip() for importance, _, text in said if importance <= 16]  # AV_LOG_ERROR
    return f"{plain}: {words[-1]}" if words else plain
