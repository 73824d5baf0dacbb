"""Tiles a second from a JPEG pyramid: our ``Slide`` beside a plain OpenSlide loop, on 1 and on 2 processes.

Both give the same uint8 array for each tile, checked before anything is timed: read the rectangle, drop alpha, resample
by the exact ratio. Tiles are read in the order in which they lie, as tiling reads them; the file is in the page cache.
The readers take turns and every process opens the slide anew for every pass.

    python benchmarks/tiling.py [--slide FILE.svs] [--rounds 5] [--dry]

Without ``--slide`` a pyramid is made: of the tissue of ``--tissue FILE.svs`` repeated in mirror images, else of made-up
tissue, whose JPEG tiles are cheaper to decode than real ones.
"""

from __future__ import annotations

import argparse
import io
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import openslide
import tifffile._imagecodecs as codecs
from document import table, write_section
from machine import describe
from PIL import Image

from data_prep.tiny.wsi import picture, write_pyramid
from medmae.data.slides.resolution import resolve_mpp
from medmae.data.slides.slide_grid import SlideGrid
from medmae.data.slides.wsi import Slide

SIZE = (8192, 5632)  # of the slide that is made
Reader = Callable[[Path, SlideGrid, np.ndarray], Iterator[np.ndarray]]


@dataclass(frozen=True)
class Job:
    """One way to cut tiles.

    Attributes:
        title: For the table.
        tile: Edge in pixels.
        ratio: Level-0 pixels a pixel of a tile.
    """

    title: str
    tile: int
    ratio: float


JOBS = (
    Job("256 px on the file's own grid, as stored", 256, 1.0),
    Job("224 px across it, as stored", 224, 1.0),
    Job("224 px resampled by 1.002 (0.499 to 0.5 microns)", 224, 0.5 / 0.499),
    Job("224 px resampled by 1.98 (0.2525 to 0.5 microns)", 224, 0.5 / 0.2525),
)


def medmae(path: Path, grid: SlideGrid, corners: np.ndarray) -> Iterator[np.ndarray]:
    """Ours."""
    with Slide(path) as slide:
        for corner in corners.tolist():
            box, size = grid.level_box(*corner), (grid.tile, grid.tile)
            yield np.asarray(slide.read_scaled(level=grid.level, box=box, size=size).image)


def plain(path: Path, grid: SlideGrid, corners: np.ndarray) -> Iterator[np.ndarray]:
    """The loop one writes: OpenSlide's region, without alpha, resampled by Pillow where it has to be."""
    with openslide.OpenSlide(path) as slide:
        for x, y in corners.tolist():
            left, top, right, bottom = grid.level_box(x, y)
            width, height = right - left, bottom - top
            whole = (int(np.ceil(round(width, 6))), int(np.ceil(round(height, 6))))
            image = slide.read_region((x, y), grid.level, whole).convert("RGB")
            if whole != (grid.tile, grid.tile) or whole != (width, height):
                image = image.resize((grid.tile, grid.tile), Image.Resampling.BILINEAR, box=(0, 0, width, height))
            yield np.asarray(image)


READERS: dict[str, Reader] = {"medmae": medmae, "OpenSlide loop": plain}


def grid_of(path: Path, job: Job) -> SlideGrid:
    """Tiles of level 0 side by side."""
    with Slide(path) as slide:
        mpp = resolve_mpp(slide, stated=None)[0]
        target = mpp[0] * job.ratio
        return SlideGrid(
            slide_size=slide.size,
            mpp=mpp,
            level=0,
            downsample=(1.0, 1.0),
            tile=job.tile,
            tile_mpp=target,
            stride=target * job.tile,
        )


def make_slide(path: Path, tissue: Path | None) -> Path:
    """A pyramid of 256-pixel JPEG tiles of quality 80."""
    width, height = SIZE
    if tissue is None:
        piece = picture(width // 4, height // 4)
    else:
        with openslide.OpenSlide(tissue) as slide:
            piece = np.asarray(slide.read_region((0, 0), 0, slide.dimensions).convert("RGB"))
    piece = np.concatenate([piece, piece[::-1]])
    piece = np.concatenate([piece, piece[:, ::-1]], axis=1)
    times = -(-height // piece.shape[0]), -(-width // piece.shape[1])
    pixels = np.ascontiguousarray(np.tile(piece, (*times, 1))[:height, :width])

    def encode(data: np.ndarray, level: object = None, **_: object) -> bytes:
        file = io.BytesIO()
        Image.fromarray(np.asarray(data)).save(file, "JPEG", quality=80)
        return file.getvalue()

    codecs.jpeg_encode = encode  # tifffile has no encoder of its own, but takes one
    return write_pyramid(path, pixels, tile=256, compression="jpeg", photometric="ycbcr")


def check_same(path: Path, job: Job) -> None:
    """Both readers give the same pixels.

    Raises:
        AssertionError: If they do not.
    """
    grid = grid_of(path, job)
    corners = grid.origins()[::37]
    for ours, theirs in zip(medmae(path, grid, corners), plain(path, grid, corners), strict=True):
        assert np.array_equal(ours, theirs), job.title


def serve(pipe: Connection, path: Path) -> None:
    """A process that reads a share of the tiles whenever it is asked."""
    pipe.send("ready")
    while (asked := pipe.recv()) is not None:
        name, job, share, of = asked
        grid = grid_of(path, job)
        corners = np.array_split(grid.origins(), of)[share]  # a block of rows each
        pipe.send(sum(tile.shape[0] > 0 for tile in READERS[name](path, grid, corners)))


class Team:
    """Processes that work side by side."""

    def __init__(self, path: Path, count: int) -> None:
        context = get_context("spawn")
        self.pipes = []
        for _ in range(count):
            mine, theirs = context.Pipe()
            context.Process(target=serve, args=(theirs, path), daemon=True).start()
            self.pipes.append(mine)
        for pipe in self.pipes:
            pipe.recv()

    def rate(self, name: str, job: Job) -> float:
        """Tiles a second, all together."""
        start = time.perf_counter()
        for share, pipe in enumerate(self.pipes):
            pipe.send((name, job, share, len(self.pipes)))
        tiles = sum(pipe.recv() for pipe in self.pipes)
        return tiles / (time.perf_counter() - start)

    def close(self) -> None:
        """Ends them."""
        for pipe in self.pipes:
            pipe.send(None)


def measure(path: Path, *, processes: int, rounds: int) -> list[list[str]]:
    """One line a job: rates of both, and how many times faster ours is (the median over rounds)."""
    team, lines = Team(path, processes), []
    for job in JOBS:
        rates: dict[str, list[float]] = {name: [] for name in READERS}
        for name in READERS:  # warm: imports, page cache
            team.rate(name, job)
        for turn in range(rounds):
            for name in list(READERS)[:: 1 if turn % 2 == 0 else -1]:
                rates[name].append(team.rate(name, job))
        ours, theirs = rates["medmae"], rates["OpenSlide loop"]
        times = [a / b for a, b in zip(ours, theirs, strict=True)]
        shown = [f"{statistics.median(values):,.0f}" for values in (ours, theirs)]
        lines.append(
            [str(processes), job.title, *shown, f"{statistics.median(times):.2f}", f"{min(times):.2f}–{max(times):.2f}"]
        )
        print(" | ".join(lines[-1]), flush=True)
    team.close()
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--slide", type=Path, help="a JPEG pyramid that tells its microns a pixel")
    parser.add_argument("--tissue", type=Path, help="a small slide whose tissue the made one repeats")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--dry", action="store_true", help="leave docs/benchmarks.md alone")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = options.slide or make_slide(Path(folder) / "slide.tif", options.tissue)
        for job in JOBS:
            check_same(path, job)
        lines = [line for n in options.processes for line in measure(path, processes=n, rounds=options.rounds)]
    what = options.slide.name if options.slide else f"{SIZE[0]} x {SIZE[1]}, 256-px tiles, quality 80"
    tissue = "" if options.slide else ", real tissue" if options.tissue else ", made-up tissue"
    intro = f"Measured on {describe()}; {what}{tissue}; {options.rounds} alternating rounds, warm page cache."
    header = ["processes", "tiles", "medmae tiles/s", "OpenSlide loop tiles/s", "times faster", "least–most"]
    if not options.dry:
        write_section("tiling", f"{intro}\n\n{table(header, lines)}")


if __name__ == "__main__":
    main()
