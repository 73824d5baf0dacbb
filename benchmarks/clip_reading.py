"""Random clips a second: from prepared videos beside PyAV on the source files, which seeks and decodes.

A clip is 16 frames, every fourth, from a random start, of a random video; whole frames, no crop. PyAV seeks to the last
key frame before the clip and decodes forward, one thread, as training loops do; frames come out at the size that
preparation stored (its short side), reduced by FFmpeg's scaler while it converts. Ours are read from the memory-mapped
shards. Readers take turns on the same clips, so that a busy machine slows both alike; the disk's cache is warm.

    python benchmarks/clip_reading.py [--data FOLDER] [--clips 40] [--rounds 5] [--short-side 256] [--dry]

Without ``--data``, videos of a moving texture are made: 640 x 360, 300 frames, H.264 with a key frame every 250 and
every 12 frames.
"""

from __future__ import annotations

import argparse
import io
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import av
import numpy as np
from document import table, write_section
from machine import describe
from PIL import Image
from rich.console import Console

from data_prep.tiny.clips import write_video
from data_prep.video import prepare
from medmae.data.manifest import Manifest
from medmae.data.video.stored import read_frames

FRAMES, STRIDE = 16, 4
SPAN = FRAMES * STRIDE
Clip = tuple[Mapping[str, Any], int]  # row of the manifest, first frame
Read = Callable[[Mapping[str, Any], int], np.ndarray]


def synthetic(folder: Path, *, videos: int = 4, size: tuple[int, int] = (360, 640), frames: int = 300) -> Path:
    """A texture that slides by, with noise: H.264 at its usual quality."""
    for number in range(videos):
        rng = np.random.default_rng(number)
        wide = np.kron(rng.integers(0, 256, (size[0] // 40, (size[1] + frames) // 40 + 1, 3)), np.ones((40, 40, 1)))
        noise = rng.integers(-2, 3, (8, *size, 1))
        moving = ((wide[:, at : at + size[1]] + noise[at % 8]).clip(0, 255).astype(np.uint8) for at in range(frames))
        options = {"g": "250" if number % 2 else "12", "crf": "23"}
        write_video(folder / f"v{number}.mp4", moving, codec="libx264", options=options, bit_rate=0)
    return folder


def by_pyav(path: Path, start: int, *, size: tuple[int, int], seek: bool = True) -> np.ndarray:
    """The clip from the file: (16, H, W, 3)."""
    with av.open(str(path)) as file:
        stream = file.streams.video[0]
        stream.codec_context.thread_count = 1
        first, rate = stream.start_time or 0, stream.average_rate
        if seek:
            file.seek(round(start / rate / stream.time_base) + first, stream=stream)
        found = {}
        for frame in file.decode(stream):
            number = round((frame.time - float(first * stream.time_base)) * rate)
            if number >= start and (number - start) % STRIDE == 0:
                found[number] = frame.to_ndarray(format="rgb24", height=size[0], width=size[1])
            if number >= start + SPAN - STRIDE:
                break
    if seek and len(found) < FRAMES:  # MPEG program streams have no index: a seek may land too late
        return by_pyav(path, start, size=size, seek=False)
    return np.stack(list(found.values()))


def as_jpeg(shard: np.ndarray) -> list[bytes]:
    """Frames as JPEG, what a smaller shard could hold."""
    codes = []
    for frame in shard:
        stream = io.BytesIO()
        Image.fromarray(frame[..., 0] if frame.shape[-1] == 1 else frame).save(
            stream, "JPEG", quality=95, subsampling=0
        )
        codes.append(stream.getvalue())
    return codes


def measure(readers: Mapping[str, Read], clips: Sequence[Clip], *, rounds: int) -> dict[str, list[float]]:
    """Seconds a clip of each reader in each round, the readers taking turns; the first round warms up."""
    seconds: dict[str, list[float]] = {name: [] for name in readers}
    for _ in range(rounds + 1):
        for name, read in readers.items():
            begin = time.perf_counter()
            for row, start in clips:
                clip = read(row, start)
                assert len(clip) == FRAMES, (name, row["case"], start, len(clip))
            seconds[name].append((time.perf_counter() - begin) / len(clips))
    return {name: times[1:] for name, times in seconds.items()}


def main() -> None:
    """Measures, and writes docs/benchmarks.md."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder of videos")
    parser.add_argument("--clips", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--short-side", type=int, default=256)
    parser.add_argument("--dry", action="store_true", help="leave docs/benchmarks.md alone")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        source, out = options.data or synthetic(Path(folder) / "raw"), Path(folder) / "out"
        prepare(source=source, out=out, short_side=options.short_side, workers=0, console=Console(quiet=True))
        rows = [row for row in Manifest.read(out) if row["count"] >= SPAN and row["container"] != "GIF"]
        shards = {row["case"]: np.load(out / row["shard"], mmap_mode="r") for row in rows}
        codes = {case: as_jpeg(shard) for case, shard in shards.items()}
        steps = STRIDE * np.arange(FRAMES)
        readers: dict[str, Read] = {
            "PyAV, from the file": lambda row, start: by_pyav(Path(row["source"]), start, size=tuple(row["size"])),
            "ours, from shards": lambda row, start: read_frames(shards[row["case"]], start + steps),
            "the same frames as JPEG": lambda row, start: np.stack(
                [np.asarray(Image.open(io.BytesIO(codes[row["case"]][frame]))) for frame in start + steps]
            ),
        }
        rng = np.random.default_rng(0)
        chosen = [rows[number] for number in rng.integers(len(rows), size=options.clips)]
        clips = [(row, int(rng.integers(row["count"] - SPAN + 1))) for row in chosen]
        seconds = measure(readers, clips, rounds=options.rounds)
        sizes = (
            sum(Path(row["source"]).stat().st_size for row in rows),
            sum((out / row["shard"]).stat().st_size for row in rows),
            sum(len(code) for some in codes.values() for code in some),
        )
    theirs, *_ = seconds.values()
    lines = []
    for (name, times), size in zip(seconds.items(), sizes, strict=True):
        ratios = [slow / fast for slow, fast in zip(theirs, times, strict=True)]
        faster = f"{statistics.median(ratios):.1f} ({min(ratios):.1f}–{max(ratios):.1f})"
        lines.append([name, f"{1e3 * statistics.median(times):.1f}", faster, f"{size / 1e6:.0f}"])
    about = "real files" if options.data else "H.264, 640 x 360, 300 frames, key frames every 12 or 250"
    text = (
        f"Measured on {describe()}; {len(rows)} videos ({about}), {options.clips} random clips of {FRAMES} frames, "
        f"every {STRIDE}th, short side {options.short_side}, {options.rounds} alternating rounds, warm cache.\n\n"
        + table(["reader", "ms a clip, median", "times PyAV (least–most)", "MB on disk"], lines)
    )
    print(text)
    if not options.dry:
        write_section("clip_reading", text)


if __name__ == "__main__":
    main()
