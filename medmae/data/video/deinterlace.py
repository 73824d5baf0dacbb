"""Interlaced frames to whole ones, as players do it, at the same number of frames."""

from __future__ import annotations

from collections.abc import Iterator
from types import ModuleType
from typing import Any


class Deinterlacer:
    """Passes frames through FFmpeg's ``bwdif`` from the first interlaced one on; leaves all alone if there is none.

    Progressive frames among interlaced ones stay as they are.

    Args:
        av: The module.
        stream: Whose frames they are.
    """

    def __init__(self, av: ModuleType, stream: Any) -> None:  # noqa: ANN401 - PyAV is untyped
        self._av, self._stream = av, stream
        self._graph: Any = None

    @property
    def used(self) -> bool:
        """Whether a frame was interlaced."""
        return self._graph is not None

    def __call__(self, frame: Any) -> Iterator[Any]:  # noqa: ANN401
        """Takes a frame, or None at the end; gives those that are finished."""
        if self._graph is None and frame is not None and frame.interlaced_frame:
            self._graph = self._made(frame)
        if self._graph is None:
            if frame is not None:
                yield frame
            return
        self._graph.vpush(frame)
        while True:
            try:
                yield self._graph.vpull()
            except (BlockingIOError, EOFError):
                return

    def _made(self, frame: Any) -> Any:  # noqa: ANN401
        graph = self._av.filter.Graph()
        source = graph.add_buffer(template=self._stream, time_base=frame.time_base)
        filtered = graph.add("bwdif", "mode=send_frame:deint=interlaced")
        sink = graph.add("buffersink")
        source.link_to(filtered)
        filtered.link_to(sink)
        graph.configure()
        return graph
