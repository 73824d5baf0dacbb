"""Sounds that are known exactly, and files of them that are odd in one way each."""

from __future__ import annotations

import json
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np

from medmae.data.audio.stored import to_stored
from medmae.files import sha256_of


def sine(hertz: float = 440.0, *, seconds: float = 1.0, rate: int = 16_000, level: float = 0.3) -> np.ndarray:
    """float32 ``(T,)``."""
    return (level * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


def noise(*, seconds: float = 1.0, rate: int = 16_000, level: float = 0.1, seed: int = 0) -> np.ndarray:
    """float32 ``(T,)``."""
    return (level * np.random.default_rng(seed).standard_normal(round(seconds * rate))).astype(np.float32)


def write_sound(path: Path, samples: np.ndarray, *, rate: int = 16_000, subtype: str | None = None) -> Path:
    """``(T,)`` or ``(T, C)`` as its suffix says."""
    import soundfile

    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(str(path), samples, rate, subtype=subtype)
    return path


def write_track(
    path: Path,
    blocks: Sequence[np.ndarray],
    *,
    times: Sequence[float],
    rate: int = 16_000,
    codec: str = "pcm_s16le",
    frames: Sequence[np.ndarray] = (),
    fps: float = 25.0,
    first_frame: float = 0.0,
    container: str | None = None,
) -> Path:
    """A file of blocks of sound ``(T,)`` that sound when they are told to, beside pictures ``(H, W, 3)`` if any.

    Times are kept to a sample where the container can (``.nut``), to a millisecond in ``.mkv``.
    """
    import av

    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w", format=container, options={"avoid_negative_ts": "disabled"}) as file:
        video = None
        if len(frames):
            video = file.add_stream("mpeg4", rate=Fraction(fps).limit_denominator(1001))
            video.height, video.width, video.pix_fmt = *frames[0].shape[:2], "yuv420p"
            video.codec_context.time_base = Fraction(1, 1000)
        sound = file.add_stream(codec, rate=rate, layout="mono")
        for number, pixels in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
            frame.pts, frame.time_base = round((first_frame + number / fps) * 1000), Fraction(1, 1000)
            file.mux(video.encode(frame))
        for block, second in zip(blocks, times, strict=True):
            values = np.round(block * 32767).astype(np.int16)[None]
            frame = av.AudioFrame.from_ndarray(values, format="s16", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = rate, round(second * rate), Fraction(1, rate)
            file.mux(sound.encode(frame))
        for stream in (video, sound):
            if stream is not None:
                file.mux(stream.encode(None))
    return path


def in_blocks(samples: np.ndarray, size: int = 800) -> list[np.ndarray]:
    """Parts of one length."""
    return [samples[start : start + size] for start in range(0, len(samples), size)]


def prepared(folder: Path, sounds: dict[str, np.ndarray], *, rate: int = 16_000, **changes: object) -> Path:
    """A manifest of sounds ``(T,)`` by case, as ``medmae prep audio`` writes it."""
    (folder / "shards").mkdir(parents=True)
    lines = []
    for number, (case, samples) in enumerate(sounds.items()):
        values, gain = to_stored(samples[None])
        np.save(folder / "shards" / f"{case}.npy", values)
        row = {
            "case": case,
            "subject": f"p{number}",
            "session": None,
            "split": "train",
            "kind": "sound",
            "dtype": "int16",
            "shard": f"shards/{case}.npy",
            "shard_sha256": sha256_of(folder / "shards" / f"{case}.npy"),
            "first": 0,
            "count": len(values),
            "rate": rate,
            "channels": 1,
            "gain": gain,
            "start": 0.0,
            "missing": [],
            "label": "ab"[number % 2],
            "classes": None,
            "value": None,
            "content_sha256": case,
            "flags": [],
        }
        lines.append(json.dumps({**row, **changes}))
    (folder / "manifest.jsonl").write_text("\n".join(lines) + "\n")
    return folder
