"""Random slices a second: medmae's shards beside MONAI's PersistentDataset and CacheDataset on the same volumes.

All three give one axial slice in [0, 1] as a float32 tensor: at its own size, then padded to a square and resized
(where the resizing, which is the same work for all, takes most of our time). Ours reads what ``data_prep.mr`` stored
(float16, normalised once); MONAI's data sets hold the loaded and normalised volume in their cache, as their
documentation advises, and cut a random slice from it in the random transform. Readers take turns, so that a busy
machine slows all alike; the caches of MONAI and of the disk are warm.

    python benchmarks/slice_reading.py [--data DIR] [--rounds 5] [--dry]

Without ``--data`` a cohort of smooth random heads of 182 x 218 x 182 is made.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import nibabel as nib
import numpy as np
import torch
from document import table, write_section
from machine import describe
from monai.data import CacheDataset, Dataset, PersistentDataset
from monai.transforms import (
    Compose,
    EnsureChannelFirstd,
    Lambdad,
    LoadImaged,
    Orientationd,
    RandSpatialCropd,
    Resized,
    ScaleIntensityRangePercentilesd,
    SpatialPadd,
)
from rich.console import Console
from scipy.ndimage import gaussian_filter

from data_prep.mr import prepare
from medmae.data import Manifest, Samples, Slices

Reader = Callable[[int], object]


def synthetic(folder: Path, *, subjects: int = 2, shape: tuple[int, int, int] = (182, 218, 182)) -> Path:
    """Heads of smooth noise in a zero background, two contrasts each."""
    rng = np.random.default_rng(0)
    axes = np.meshgrid(*(np.linspace(-1.3, 1.3, n) for n in shape), indexing="ij")
    head = sum(axis**2 for axis in axes) < 1
    for subject in range(subjects):
        for contrast in ("T1", "T2"):
            texture = gaussian_filter(rng.standard_normal(shape).astype(np.float32), 2)
            image = np.where(head, 400 + 900 * texture, 0).clip(0).astype(np.int16)
            path = folder / f"p{subject}" / f"{contrast}.nii.gz"
            path.parent.mkdir(parents=True, exist_ok=True)
            nib.save(nib.Nifti1Image(image, np.diag([-1.0, 1.0, 1.0, 1.0])), path)
    return folder


def monai_transform(*, size: int | None, shape: Sequence[int]) -> Compose:
    """Load, orient and normalise (cached), then cut one random axial slice (not cached)."""
    steps = [
        LoadImaged("image"),
        EnsureChannelFirstd("image"),
        Orientationd("image", axcodes="LPS", labels=None),
        ScaleIntensityRangePercentilesd("image", lower=0.2, upper=99.8, b_min=0.0, b_max=1.0, clip=True),
        RandSpatialCropd("image", roi_size=(-1, -1, 1), random_size=False),
    ]
    if size is not None:  # to a square, then bilinear, as ours
        steps += [
            Lambdad("image", lambda image: image[..., 0]),
            SpatialPadd("image", (max(shape[:2]),) * 2),
            Resized("image", (size, size), mode="bilinear"),
        ]
    return Compose(steps)


def slices_per_second(read: Reader, items: Sequence[int]) -> float:
    """Reads the items one after the other."""
    start = time.perf_counter()
    for item in items:
        read(item)
    return len(items) / (time.perf_counter() - start)


def measure(readers: dict[str, tuple[Reader, Sequence[int]]], *, rounds: int) -> dict[str, list[float]]:
    """Rates of every reader, the readers taking turns."""
    rates: dict[str, list[float]] = {name: [] for name in readers}
    for read, items in readers.values():  # warm: page cache, MONAI's cache, memory maps
        slices_per_second(read, items)
    for _ in range(rounds):
        for name, (read, items) in readers.items():
            rates[name].append(slices_per_second(read, items))
    return rates


def readers_for(manifest: Manifest, work: Path, *, size: int | None) -> dict[str, tuple[Reader, Sequence[int]]]:
    """The three ways to read, each with the items it reads in a round."""
    rng = np.random.default_rng(0)
    ours = Samples(source=manifest, view=Slices(size=size, min_foreground=0), split=None)
    files = [{"image": contrast["source"]} for row in manifest for contrast in row["contrasts"]]
    transform = monai_transform(size=size, shape=manifest.rows[0]["grid"]["shape"])
    persistent: Dataset = PersistentDataset(files, transform, cache_dir=work / f"persistent{size}")
    cached: Dataset = CacheDataset(files, transform, progress=False)
    volumes = rng.integers(0, len(files), 24).tolist()
    return {
        "medmae Samples": (ours.__getitem__, rng.integers(0, len(ours), 3000).tolist()),
        "MONAI PersistentDataset": (persistent.__getitem__, volumes),
        "MONAI CacheDataset": (cached.__getitem__, volumes),
    }


def report(rates: dict[str, list[float]]) -> list[list[str]]:
    """One line a reader: median, lowest and highest rate, and how many times slower than ours."""
    ours = statistics.median(rates["medmae Samples"])
    rows = []
    for name, values in rates.items():
        rate = statistics.median(values)
        rows.append([name, f"{rate:,.0f}", f"{min(values):,.0f}", f"{max(values):,.0f}", f"{ours / rate:.0f}"])
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder of volumes that data_prep.mr can read")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--dry", action="store_true", help="leave docs/benchmarks.md alone")
    options = parser.parse_args()
    torch.set_num_threads(1)
    source = "volumes of one's own" if options.data else "smooth random heads of 182 x 218 x 182"
    sections = [f"Measured on {describe()}, 1 thread; {source}, {options.rounds} alternating rounds, warm caches."]
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        prepared = prepare(
            source=options.data or synthetic(work / "raw"), out=work / "prepared", console=Console(quiet=True)
        )
        manifest = Manifest.read(prepared.manifest)
        for size, title in ((None, "Native size"), (256, "Padded and resized to 256 x 256")):
            rates = measure(readers_for(manifest, work, size=size), rounds=options.rounds)
            header = [title, "slices/s, median", "least", "most", "times slower"]
            sections.append(table(header, report(rates)))
            print(sections[-1], flush=True)
    if not options.dry:
        write_section("slice_reading", "\n\n".join(sections))


if __name__ == "__main__":
    main()
