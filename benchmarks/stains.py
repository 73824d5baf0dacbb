"""H&E tiles a second: stain separation beside scikit-image's ``rgb2hed``, on the same tiles, one thread.

``rgb2hed`` multiplies a logarithm by a fixed 3 x 3 matrix and gives floats; ours solves for two non-negative codes and
gives two 8-bit pictures. Contestants take turns, round by round, and each has its best time of every tile; the ratio is
that of their sums, and beside it stands the median of the ratios within rounds.

Freed memory is kept, as ``medmae`` has it kept while it trains. In a fresh process the C library hands large blocks
back each time, and rgb2hed is then five times slower, from page faults alone: no comparison of methods.

    python benchmarks/stains.py [--data DIR] [--tiles 48] [--rounds 15] [--dry]

Without ``--data`` (a folder of images, searched through) tiles are made of two stains, smooth fields and grain, with
about as many different colours as tiles of NCT-CRC-HE-100K, for the colour table is the faster the fewer there are.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
from document import table, write_section
from machine import describe, matmul_probe, seconds
from scipy.ndimage import gaussian_filter
from skimage.color import rgb2hed

from medmae.allocator import keep_freed_memory
from medmae.data.images.decode import SUFFIXES, read_bytes, rgb_of
from medmae.tokens.stain_matrices import RUIFROK
from medmae.tokens.stains import StainSeparator

PEER = "scikit-image rgb2hed"


def contestants() -> dict[str, Callable[[np.ndarray], object]]:
    """What is timed, by name."""
    return {
        PEER: rgb2hed,
        "medmae, fixed matrix": StainSeparator(matrix=RUIFROK, brighten=False),
        "medmae, fixed matrix, colour table": StainSeparator(matrix=RUIFROK, brighten=False, colour_table=True),
        "medmae, fixed matrix, brightened": StainSeparator(matrix=RUIFROK),
        "medmae, fixed matrix, colour table, brightened": StainSeparator(matrix=RUIFROK, colour_table=True),
        "medmae, Macenko on each tile": StainSeparator(method="macenko"),
        "medmae, Vahadane on each tile": StainSeparator(),
    }


def made_tiles(count: int, *, size: int = 224) -> list[np.ndarray]:
    """Tiles ``(size, size, 3)`` uint8 of two stains."""
    rng, tiles = np.random.default_rng(0), []
    for _ in range(count):
        fields = np.stack([gaussian_filter(rng.standard_normal((size, size)), blur) for blur in (3, 8)])
        fields = np.maximum(fields / fields.std(axis=(1, 2), keepdims=True) + 0.3, 0) * [[[0.7]], [[0.5]]]
        light = 250 * np.exp(-np.einsum("cs,shw->hwc", RUIFROK, fields)) + rng.normal(0, 1, (size, size, 3))
        tiles.append(light.clip(0, 255).astype(np.uint8))
    return tiles


def read_tiles(folder: Path, count: int, *, size: int = 224) -> list[np.ndarray]:
    """The centres of the first images, ``(size, size, 3)`` uint8."""
    tiles = []
    for path in sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES):
        image = rgb_of(read_bytes(path), path=path)
        top, left = ((extent - size) // 2 for extent in image.shape[:2])
        if min(top, left) >= 0:
            tiles.append(np.ascontiguousarray(image[top : top + size, left : left + size]))
    return tiles[:count]


def measure(tiles: list[np.ndarray], *, rounds: int) -> dict[str, np.ndarray]:
    """Seconds of each tile in each round ``(rounds, tiles)``, by contestant."""
    runs = contestants()
    times: dict[str, list[list[float]]] = {name: [] for name in runs}
    for turn in range(rounds + 1):
        for name, separate in sorted(runs.items(), reverse=bool(turn % 2)):
            times[name].append([seconds(lambda run=separate, tile=tile: run(tile)) for tile in tiles])
    return {name: np.array(taken[1:]) for name, taken in times.items()}  # the first round warms up


def report(times: dict[str, np.ndarray]) -> str:
    """A line a contestant."""
    peer, rows = times[PEER], []
    for name, taken in times.items():
        best = peer.min(axis=0).sum() / taken.min(axis=0).sum()
        paired = np.median(np.median(peer, axis=1) / np.median(taken, axis=1))
        rates = [f"{1 / np.median(taken):.0f}", f"{1 / taken.min(axis=0).mean():.0f}"]
        rows.append([name, *rates, f"{best:.2f}", f"{paired:.2f}"])
    return table(["", "tiles/s, median", "tiles/s, best", "ratio, best", "ratio, paired"], rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder of images of at least 224 px")
    parser.add_argument("--tiles", type=int, default=48)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--dry", action="store_true", help="leave docs/benchmarks.md alone")
    options = parser.parse_args()
    tiles = read_tiles(options.data, options.tiles) if options.data else made_tiles(options.tiles)
    keep_freed_memory()
    if not tiles:
        parser.error(f"no image of at least 224 x 224 below {options.data}")
    source = "images of one's own" if options.data else "made tiles"
    head = (
        f"Measured on {describe()}, one thread, matmul probe {matmul_probe():.0f} GFLOP/s; "
        f"{len(tiles)} {source} of 224 x 224, {options.rounds} alternating rounds."
    )
    text = f"{head}\n\n{report(measure(tiles, rounds=options.rounds))}"
    print(text)
    if not options.dry:
        write_section("stains", text)


if __name__ == "__main__":
    main()
