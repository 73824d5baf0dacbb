"""What a cluster's workers prepare is what this process prepares, whatever the data."""

from __future__ import annotations

import logging

import numpy as np
import pytest
from distributed import LocalCluster
from PIL import Image
from rich.console import Console

from data_prep import mr, tiles, video, wsi
from data_prep.tiny.wsi import picture, write_pyramid
from tests.videos import numbered, write_video

QUIET = Console(quiet=True)


@pytest.fixture(scope="module")
def scheduler():
    """The address of two processes' scheduler."""
    with LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, silence_logs=logging.ERROR
    ) as cluster:
        yield cluster.scheduler_address


def images(folder):
    for number, name in enumerate(("ADI/p1_0", "ADI/p2_0", "TUM/p3_0")):
        path = folder / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(number).integers(0, 256, (12, 10, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(path)


def slides(folder):
    for number, name in enumerate("ab"):
        write_pyramid(folder / f"{name}.tif", picture(420, 340, seed=number))


def videos(folder):
    for number in range(3):
        write_video(folder / f"p{number}.mkv", numbered(4 + number), codec="ffv1", pixels="yuv444p")


KINDS = {
    "tiles": (tiles, images, {"subject_from": r"^(\w+?)_"}),
    "slides": (wsi, slides, {"tile": 64}),
    "videos": (video, videos, {}),
}


def same(module, source, folder, *, scheduler, options):
    here, there = folder / "here", folder / "there"
    first = module.prepare(source=source, out=here, console=QUIET, workers=0, **options)
    assert (first.prepared > 1, first.quarantined) == (True, 0)
    module.prepare(source=source, out=there, console=QUIET, scheduler=scheduler, **options)
    written = [sorted(path.relative_to(out) for path in out.rglob("*.npy")) for out in (here, there)]
    assert written[0] == written[1] != []
    for name in ("manifest.jsonl", "left_out.csv", "splits.csv", *written[0]):
        assert (here / name).read_bytes() == (there / name).read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_cluster_gives_the_same_data_set(kind, tmp_path, scheduler):
    module, make, options = KINDS[kind]
    make(tmp_path / "raw")
    same(module, tmp_path / "raw", tmp_path, scheduler=scheduler, options=options)


@pytest.mark.slow
def test_a_cluster_gives_the_same_volumes(cohort, tmp_path, scheduler):
    same(mr, cohort(), tmp_path, scheduler=scheduler, options={})
