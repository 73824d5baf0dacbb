"""Images a second as training gets them: medmae's data set and batch augmentation beside torchvision's usual pipeline.

torchvision's is ImageFolder, a random resized crop (bicubic), a flip, ToTensor, and a DataLoader. Ours is Pictures
(bytes at ``read_size``) with ResumableLoader and ImageAugment, which does the same crop and flip on whole batches: from
the files every time, from memory after a first epoch (``in_memory``), and from the shards of ``medmae prep tiles``. All
give float32 batches of one size from the same JPEG files, in the same number of worker processes; ours crop what was
reduced to ``read_size`` before, so that the smallest crops are coarser. Readers take turns, so that a busy machine
slows all alike; the disk's cache is warm.

    python benchmarks/image_loading.py [--data FOLDER] [--images 512] [--rounds 5] [--workers 0] [--dry]

Without ``--data``, JPEG photographs of smooth noise are made, 500 x 375 as ImageNet's are on average.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import numpy as np
import torch
from document import table, write_section
from machine import describe
from PIL import Image
from rich.console import Console
from scipy.ndimage import gaussian_filter
from torch import Tensor
from torch.utils.data import DataLoader
from torchvision.datasets import ImageFolder
from torchvision.transforms import Compose, InterpolationMode, RandomHorizontalFlip, RandomResizedCrop, ToTensor

from data_prep.tiles import prepare
from medmae.data import Pictures, Samples
from medmae.data.augment.image import ImageAugment
from medmae.data.images.source import read_images
from medmae.training import ResumableLoader

Epoch = Callable[[], Iterator[Tensor]]
SIZE, READ_SIZE, BATCH, SCALE = 224, 256, 64, (0.2, 1.0)
EVERYTHING = (1.0, 0.0, 0.0)  # train, val, test
THEIRS = "torchvision ImageFolder"


def synthetic(folder: Path, *, images: int, size: tuple[int, int] = (375, 500)) -> Path:
    """JPEG files of two classes, about as large on disk as photographs."""
    rng = np.random.default_rng(0)
    for number in range(images):
        noise = gaussian_filter(rng.standard_normal((*size, 3)), (1.5, 1.5, 0))
        pixels = ((noise - noise.min()) / np.ptp(noise) * 255).astype(np.uint8)
        path = folder / f"class{number % 2}" / f"{number:05d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path, quality=90)
    return folder


def torchvision_epoch(folder: Path, *, workers: int) -> Epoch:
    """What a tutorial writes."""
    crop = RandomResizedCrop(SIZE, scale=SCALE, interpolation=InterpolationMode.BICUBIC)
    data = ImageFolder(folder, Compose([crop, RandomHorizontalFlip(), ToTensor()]))
    loader = DataLoader(
        data, batch_size=BATCH, shuffle=True, num_workers=workers, persistent_workers=workers > 0, drop_last=True
    )
    return lambda: (images for images, _ in loader)


def our_epoch(source: Path, *, workers: int, in_memory: bool = False) -> Epoch:
    """The pre-training recipe of the image bundles."""
    images = read_images(source, fractions=EVERYTHING)
    data = Samples(source=images, view=Pictures(size=READ_SIZE, dtype="uint8"), in_memory=in_memory)
    loader = ResumableLoader(dataset=data, batch_size=BATCH, num_workers=workers)
    augment, generator = ImageAugment(size=SIZE, scale=SCALE), torch.Generator().manual_seed(0)
    numbers = count()

    def epoch() -> Iterator[Tensor]:
        loader.sampler.set_epoch(next(numbers))  # an epoch that was delivered is not delivered again
        return (augment(batch["image"], generator=generator) for batch in loader)

    return epoch


def images_per_second(epoch: Epoch) -> float:
    """One epoch."""
    start, seen = time.perf_counter(), 0
    for images in epoch():
        assert images.shape[1:] == (3, SIZE, SIZE)
        seen += len(images)
    return seen / (time.perf_counter() - start)


def measure(readers: dict[str, Epoch], *, rounds: int) -> dict[str, list[float]]:
    """Rates of every reader, the readers taking turns."""
    rates: dict[str, list[float]] = {name: [] for name in readers}
    for epoch in readers.values():  # warm: page cache, memory, workers
        images_per_second(epoch)
    for _ in range(rounds):
        for name, epoch in readers.items():
            rates[name].append(images_per_second(epoch))
    return rates


def report(rates: dict[str, list[float]]) -> list[list[str]]:
    """One line a reader: median, least and most, and how many times as fast as torchvision's."""
    theirs = statistics.median(rates[THEIRS])
    rows = []
    for name, values in rates.items():
        rate = statistics.median(values)
        rows.append([name, f"{rate:,.0f}", f"{min(values):,.0f}", f"{max(values):,.0f}", f"{rate / theirs:.1f}"])
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder of class folders of images")
    parser.add_argument("--images", type=int, default=512, help="how many are made without --data")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--dry", action="store_true", help="leave docs/benchmarks.md alone")
    options = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as work:
        folder = options.data or synthetic(Path(work) / "images", images=options.images)
        prepared = Path(work) / "prepared"
        prepare(source=folder, out=prepared, fractions=EVERYTHING, workers=0, console=Console(quiet=True))
        readers = {
            THEIRS: torchvision_epoch(folder, workers=options.workers),
            "ours, from files": our_epoch(folder, workers=options.workers),
            "ours, from shards": our_epoch(prepared, workers=options.workers),
            "ours, in memory": our_epoch(folder, workers=options.workers, in_memory=True),
        }
        rates = measure(readers, rounds=options.rounds)
    what = "images of one's own" if options.data else f"{options.images} JPEG files of 500 x 375"
    text = (
        f"Measured on {describe()}, 1 thread, {options.workers} workers; {what}, random resized crops of "
        f"{SIZE} x {SIZE} (bicubic) and flips, batches of {BATCH}, {options.rounds} alternating rounds, warm caches."
    )
    header = ["reader", "images/s, median", "least", "most", "times torchvision's"]
    section = f"{text}\n\n{table(header, report(rates))}"
    print(section)
    if not options.dry:
        write_section("image_loading", section)


if __name__ == "__main__":
    main()
