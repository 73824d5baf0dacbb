"""Videos of a bright disc that moves right or left, in class folders, written as a camera would: MPEG-4 in .mp4."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np

_PATIENTS, _EACH = 6, 2  # videos a class and patient


def moving_disc(
    *, frames: int = 24, size: tuple[int, int] = (40, 48), rightwards: bool = True, seed: int = 0, colour: bool = False
) -> np.ndarray:
    """A disc that crosses a grey texture: uint8 ``(frames, H, W, 3)``, grey unless ``colour``."""
    rng = np.random.default_rng(seed)
    H, W = size
    texture = np.kron(rng.integers(30, 90, (-(-H // 8), -(-W // 8))), np.ones((8, 8)))[:H, :W]
    y, x = np.mgrid[:H, :W]
    row, radius = rng.uniform(0.3, 0.7) * H, min(H, W) / 6
    clip = np.empty((frames, H, W, 3), dtype=np.uint8)
    for number in range(frames):
        along = (number + 0.5) / frames
        column = (along if rightwards else 1 - along) * W
        disc = (y - row) ** 2 + (x - column) ** 2 < radius**2
        clip[number] = np.where(disc, 220, texture)[..., None]
    if colour:
        clip[..., 2] = clip[..., 2] // 2
    return clip


def write_video(
    path: Path,
    frames: Iterable[np.ndarray],
    *,
    codec: str = "mpeg4",
    pixels: str = "yuv420p",
    rate: float = 25,
    times: Sequence[float] | None = None,
    container: str | None = None,
    options: Mapping[str, str] | None = None,
    **context: object,
) -> Path:
    """Writes RGB frames ``(H, W, 3)``, or grey ``(H, W)``, as a video file.

    Args:
        path: Its suffix names the container.
        frames: uint8, of one size.
        codec: FFmpeg's name of the encoder.
        pixels: FFmpeg's name of the format that it encodes.
        rate: Frames a second.
        times: Seconds of each frame instead, in thousandths.
        container: FFmpeg's name of it, if the suffix does not tell.
        options: Of the encoder.
        context: Attributes of the codec context, such as ``max_b_frames``.
    """
    from medmae.data.video.ffmpeg import load_av

    av = load_av()
    path.parent.mkdir(parents=True, exist_ok=True)
    exact = Fraction(rate).limit_denominator(1001)
    clock = Fraction(1, 1000) if times is not None else 1 / exact
    with av.open(str(path), "w", format=container) as file:
        stream = None
        for number, pixels_of in enumerate(frames):
            if stream is None:
                stream = file.add_stream(
                    codec, rate=Fraction(rate).limit_denominator(1001), options=dict(options or {})
                )
                stream.height, stream.width, stream.pix_fmt = *pixels_of.shape[:2], pixels
                stream.codec_context.time_base, stream.codec_context.bit_rate = clock, 8_000_000
                for name, value in context.items():
                    setattr(stream.codec_context, name, value)
            grey = pixels_of.ndim == 2
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels_of), format="gray" if grey else "rgb24")
            frame.pts = number if times is None else round(times[number] * 1000)
            frame.time_base = clock
            file.mux(stream.encode(frame))
        assert stream is not None, "a video has frames"
        file.mux(stream.encode(None))
    return path


def make(folder: Path) -> tuple[Path, Path]:
    """The prepared data set and the raw files; see :func:`data_prep.tiny.make`."""
    from data_prep.video import prepare

    for label, rightwards in (("left", False), ("right", True)):
        for patient in range(_PATIENTS):
            for number in range(_EACH):
                seed = 100 * patient + 10 * rightwards + number
                clip = moving_disc(rightwards=rightwards, seed=seed)
                write_video(folder / "raw" / label / f"p{patient}_{number}.mp4", clip)
    prepare(source=folder / "raw", out=folder / "prepared", subject_from=r"^(p\d)_", workers=0)
    return folder / "prepared", folder / "raw"
