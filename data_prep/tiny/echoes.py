"""Simulated echo clips with the heart sound of the same beats: a bright wall that moves when the sounds are heard.

What is seen and what is heard come from one list of beats, so that a network can find which sound belongs to which
clip. Two files have no sound, one begins later than its pictures: as archives have it.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np

from data_prep.tiny.sounds import Heart, heart_sound

FPS, RATE = 25.0, 16_000
_PATIENTS, _EACH, _SECONDS = 6, 2, 2.0  # files a class and patient


def echo_clip(
    heart: Heart, *, seconds: float = _SECONDS, fps: float = FPS, size: tuple[int, int] = (48, 48), seed: int = 0
) -> np.ndarray:
    """A chamber that contracts between the first and the second sound: uint8 ``(frames, H, W, 3)``, grey."""
    rng = np.random.default_rng((seed, 3))
    H, W = size
    y, x = np.mgrid[:H, :W]
    beats, period = heart.beats(seconds, seed=seed), 60 / heart.rate
    row, column = rng.uniform(0.45, 0.55, 2) * (H, W)
    distance = np.hypot(y - row, x - column)
    frames = np.empty((round(seconds * fps), H, W, 3), dtype=np.uint8)
    for number, frame in enumerate(frames):
        since = number / fps - beats
        phase = float((since[since >= 0].min(initial=np.inf)) / period)
        squeeze = np.sin(np.pi * np.clip(phase / 0.45, 0, 1)) ** 2
        radius = min(H, W) * (0.34 - 0.12 * squeeze)
        wall = np.exp(-(((distance - radius) / 2.5) ** 2))
        speckle = rng.uniform(0.6, 1.0, (H, W))
        frame[:] = (20 + 200 * wall * speckle).astype(np.uint8)[..., None]
    return frames


def write_with_sound(
    path: Path,
    frames: Sequence[np.ndarray],
    sound: np.ndarray | None,
    *,
    rate: int = RATE,
    fps: float = FPS,
    later: float = 0.0,
) -> Path:
    """MPEG-4 pictures ``(H, W, 3)`` and lossless sound ``(T,)`` in one file.

    Args:
        path: ``.mkv``.
        frames: uint8.
        sound: float32; None writes no track.
        rate: Samples a second.
        fps: Frames a second.
        later: Seconds by which the track begins after the pictures.
    """
    from medmae.data.video.ffmpeg import load_av

    av = load_av()
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as file:
        video = file.add_stream("mpeg4", rate=Fraction(fps).limit_denominator(1001))
        video.height, video.width, video.pix_fmt = *frames[0].shape[:2], "yuv420p"
        video.codec_context.bit_rate = 4_000_000
        track = None if sound is None else file.add_stream("flac", rate=rate, layout="mono")
        for number, pixels in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
            frame.pts = number
            file.mux(video.encode(frame))
        if track is not None and sound is not None:
            values = np.round(sound * 32_767).astype(np.int16)
            for start in range(0, len(values), 1024):
                block = av.AudioFrame.from_ndarray(values[None, start : start + 1024], format="s16", layout="mono")
                block.sample_rate, block.pts = rate, start + round(later * rate)
                block.time_base = Fraction(1, rate)
                file.mux(track.encode(block))
            file.mux(track.encode(None))
        file.mux(video.encode(None))
    return path


def make(folder: Path) -> tuple[Path, Path]:
    """The prepared data set and the raw files; see :func:`data_prep.tiny.make`."""
    from data_prep.video import prepare

    for label, murmur in (("murmur", True), ("normal", False)):
        for patient in range(_PATIENTS):
            heart, name = Heart.of(patient, murmur=murmur), f"p{patient + _PATIENTS * murmur}"
            for number in range(_EACH):
                seed = 100 * patient + 10 * murmur + number
                sound = heart_sound(heart, seconds=_SECONDS, rate=RATE, seed=seed)
                later = 0.4 if (patient, number) == (1, 0) else 0.0
                heard = None if (patient, number) == (2, 0) else sound[round(later * RATE) :]
                path = folder / "raw" / label / f"{name}_{number}.mkv"
                write_with_sound(path, list(echo_clip(heart, seed=seed)), heard, later=later)
    prepare(source=folder / "raw", out=folder / "prepared", subject_from=r"^(p\d+)_", sound=True, workers=0)
    return folder / "prepared", folder / "raw"
