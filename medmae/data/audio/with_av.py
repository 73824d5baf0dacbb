"""MP3, AAC and the sound tracks of videos through PyAV (FFmpeg), in the channels and with the times of the file.

FFmpeg's own conversions are not used: what they make of two channels depends on the sample format (0.71 of their sum
for floats, half of it for 16 bits).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from medmae.data.audio.sound import Decoded, NoSoundError
from medmae.data.audio.with_soundfile import check_form, check_length
from medmae.data.video.ffmpeg import STRICT, Undamaged, load_av, open_container, text_of
from medmae.errors import DataError
from medmae.reading import LIMIT_GB, reading

_LENGTHS_AGREE = (0.1, 0.02)  # seconds, and share of what the header says


def decode(path: Path, *, limit_gb: float = LIMIT_GB) -> Decoded:
    """Decodes the sound of a file, up to its damage.

    Raises:
        NoSoundError: If the file has none.
        DataError: If it cannot be opened or decoded, changes its form midway, or takes more memory than the limit.
    """
    av = load_av()
    with (
        reading(path, what="the sound"),
        path.open("rb") as handle,
        open_container(av, handle, path, what="sound") as container,
    ):
        stream = container.streams.best("audio")
        if stream is None:
            raise NoSoundError(
                "it has no sound",
                path=path,
                field="streams",
                value=", ".join(one.type for one in container.streams) or "none",
                remedy="leave it out, or export it again with its sound",
            )
        if stream.codec_context is None:
            raise DataError("no decoder for its sound", path=path, field="codec", remedy="convert it to wav or flac")
        context = stream.codec_context
        context.options, context.thread_count = dict(STRICT), 1
        decoded = Decoded(rate=int(context.sample_rate or 0), container=container.format.name, codec=context.name)
        if len(container.streams.audio) > 1:
            decoded.flags.append(f"sound_tracks:{len(container.streams.audio)}")
        undamaged = Undamaged(av, container, stream)
        try:
            for frame in undamaged:
                _add(frame, decoded, path, limit_gb)
        except av.FFmpegError as error:
            decoded.damage = f"damaged after {decoded.count} samples: {text_of(error)}"
        decoded.flags += ["start_damaged"] if undamaged.leading and decoded.blocks else []
        if not decoded.blocks and (why := decoded.damage or undamaged.leading):
            raise DataError(f"no sound can be decoded: {why}", path=path, remedy="copy or export it again")
        _tell_length(stream, decoded)
    return decoded


def _add(frame: Any, decoded: Decoded, path: Path, limit_gb: float) -> None:  # noqa: ANN401
    block = floats_of(frame)
    if not block.shape[1]:
        return
    form = (frame.sample_rate, len(block))
    if decoded.blocks and form != (decoded.rate, len(decoded.blocks[0])):
        raise DataError(
            "the sound changes its rate or its channels midway",
            path=path,
            field="rate, channels",
            value=((decoded.rate, len(decoded.blocks[0])), form),
            remedy="cut it there",
        )
    check_form(path, rate=form[0], channels=form[1])
    decoded.rate = form[0]
    decoded.blocks.append(block)
    decoded.times.append(frame.time)
    check_length(decoded, path, limit_gb)


def floats_of(frame: Any) -> np.ndarray:  # noqa: ANN401
    """Samples of a frame of FFmpeg as float32 ``(C, n)``, full scale 1, each channel as it is stored."""
    values = frame.to_ndarray()  # (C, n), or (1, n C) where channels take turns
    if not frame.format.is_planar:
        values = values.reshape(-1, frame.layout.nb_channels).T
    if values.dtype.kind == "f":
        return np.ascontiguousarray(values, dtype=np.float32)
    if values.dtype == np.uint8:
        return (values.astype(np.float32) - 128.0) / 128.0
    return (values / -float(np.iinfo(values.dtype).min)).astype(np.float32)


def _tell_length(stream: Any, decoded: Decoded) -> None:  # noqa: ANN401
    if stream.duration is None or stream.time_base is None:
        return
    said, found = float(stream.duration * stream.time_base), decoded.count / max(1, decoded.rate)
    if abs(said - found) > max(_LENGTHS_AGREE[0], _LENGTHS_AGREE[1] * said):
        decoded.flags.append(f"header_seconds:{said:.2f}")
