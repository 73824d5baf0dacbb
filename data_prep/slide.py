"""One slide, from its file to its shard: resolution, tissue, tiles."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from data_prep.glass import glass_colours
from data_prep.growing import growing_shard
from data_prep.outcome import NO_PATIENT, CaseResult, Row
from data_prep.resume import Finished, finished, key_of, stamp_of, write_finished
from data_prep.slides import SlideSource
from data_prep.tissue import overlay, tissue_mask, tissue_share
from medmae.child import run_in_child
from medmae.data.slides.resolution import CORRECT, doubtful, resolve_mpp
from medmae.data.slides.slide_grid import Pair, SlideGrid
from medmae.data.slides.wsi import Slide
from medmae.data.slides.wsi_overview import overview
from medmae.errors import DataError
from medmae.files import atomic_write, sha256_of

FORMAT = 3  # of shards and rows; a new number makes every slide be prepared anew
OVERVIEW = 1024  # pixels: where tissue is looked for
_UPSAMPLING = 1.05  # a nominal 20x has up to 0.52 microns a pixel; more would be invented detail
_OUTSIDE = 0.01  # share of a tile that the slide may lack: hairline seams between fields of a scanner
_UNREADABLE = 10  # regions, after which the slide is given up
MPP_CORRECTED, MPP_DOUBTFUL = "mpp_corrected", "mpp_doubtful"  # flags, see :func:`_mpp_flags`


@dataclass(frozen=True, kw_only=True)
class Options:
    """What shapes the shards; a slide is prepared anew when one of these changes.

    Args:
        tile: Edge of a tile in pixels.
        mpp: Microns a pixel of a tile.
        overlap: Share of a tile that the next one repeats.
        min_tissue: Smallest share of tissue in a tile.
        from_objective: Infer the resolution from the nominal magnification where nothing better is known.
    """

    tile: int = 224
    mpp: float = 0.5
    overlap: float = 0.0
    min_tissue: float = 0.25
    from_objective: bool = False


@dataclass(frozen=True, kw_only=True)
class SlideTask:
    """What a worker needs for one slide."""

    slide: SlideSource
    out: Path
    options: Options
    limit_s: float


def prepare_slide(task: SlideTask) -> CaseResult:
    """Prepares one slide in a child process, or keeps what an earlier run made of the same bytes and options.

    Raises:
        DataError: Whatever is wrong with the slide, also that its reader crashed or did not come to an end.
    """
    start = time.perf_counter()
    slide, shards = task.slide, task.out / "shards"
    key = key_of(FORMAT, asdict(task.options), slide.case, slide.mpp)
    record = shards / f"{slide.case}.json"
    done, kept = finished(record, key=key, sources=slide.files, make=partial(_prepared, task, key, record))
    # A moved source or a corrected table does not change a shard.
    named = {"case": slide.case, "subject": slide.subject, "session": None}
    rows = tuple({**named, **row, **_told(slide, row)} for row in done.rows)
    return CaseResult(rows=rows, kept=kept, seconds=time.perf_counter() - start)


def _prepared(task: SlideTask, key: str, record: Path) -> Finished:
    slide = task.slide
    argument = {
        "path": str(slide.path),
        "files": [str(file) for file in slide.files],
        "case": slide.case,
        "mpp": slide.mpp,
        "out": str(task.out),
        "options": asdict(task.options),
    }
    answer = run_in_child("data_prep.slide:tile_slide", argument, path=slide.path, limit_s=task.limit_s)
    row = {**answer["row"], "options_sha256": key}
    stamps = [stamp_of(file, sha256) for file, sha256 in zip(slide.files, answer["hashes"], strict=True)]
    made = Finished(rows=(row,))
    shards = [task.out / row[name] for name in ("shard", "coords") if row["count"]]
    write_finished(record, made, key=key, sources=stamps, shards=shards)
    return made


def _told(slide: SlideSource, row: Row) -> Row:
    flags = [*row["flags"], *([] if slide.known else [NO_PATIENT])]
    return {"source": str(slide.path), "label": slide.label, "flags": flags}


def tile_slide(task: dict[str, Any]) -> dict[str, Any]:
    """The work itself; argument and result are what JSON can hold.

    Returns:
        ``row``: what the manifest says of the slide; ``hashes``: of its files.

    Raises:
        DataError: No resolution, a slide too coarse, or too many unreadable regions.
    """
    options, out, case = Options(**task["options"]), Path(task["out"]), str(task["case"])
    with Slide(task["path"]) as slide:
        mpp, known_from = resolve_mpp(slide, stated=task["mpp"], from_objective=options.from_objective)
        grid, own = plan(slide, mpp, options), (slide.mpp, slide.objective)
        picture, unread = overview(slide, edge=OVERVIEW)
        glass = glass_colours(_scanned(picture, slide))
        mask = tissue_mask(picture, glass=glass)
        _save(Image.fromarray(mask.astype(np.uint8) * 255), out / "masks" / f"{case}.png")
        _save(overlay(picture, mask), out / "masks" / f"{case}_overlay.png")
        corners = grid.origins()
        tissue = corners[tissue_share(mask, grid, corners) >= options.min_tissue] if len(corners) else corners
        shard, coords = out / "shards" / f"{case}.npy", out / "shards" / f"{case}.coords.npy"
        stored, flags = _write_tiles(slide, grid, tissue, shard)
    row: Row = {"kind": "slide", "dtype": "uint8", "count": len(stored), "shard": f"shards/{shard.name}"}
    if len(stored):
        with atomic_write(coords) as file:
            np.lib.format.write_array(file, stored, allow_pickle=False)
        row |= {
            "shard_sha256": sha256_of(shard),
            "content_sha256": sha256_of(shard),
            "coords": f"shards/{coords.name}",
            "coords_sha256": sha256_of(coords),
        }
    hashes = [sha256_of(file) for file in task["files"]]
    flags += _mpp_flags(mpp, known_from, own)
    flags += [f"overview_unreadable:{unread:.4f}"] if unread else []
    flags += [f"tinted_glass:{'-'.join(map(str, glass[-1]))}"] if glass else []
    row |= {"grid": grid.to_dict(), "tissue": round(float(mask.mean()), 4), "flags": flags}
    row["source_sha256"] = hashes[0] if len(hashes) == 1 else key_of(sorted(hashes))
    return {"row": row, "hashes": hashes}


def plan(slide: Slide, mpp: Pair, options: Options) -> SlideGrid:
    """The grid of a slide's tiles: they are read from the nearest finer level.

    Raises:
        DataError: If the slide is coarser than the tiles are to be.
    """
    if max(mpp) > options.mpp * _UPSAMPLING:
        raise DataError(
            f"the slide has {max(mpp):g} microns a pixel: tiles of {options.mpp:g} would be invented detail",
            path=slide.path,
            field="mpp",
            value=mpp,
            remedy=f"choose --mpp {max(mpp):.3g} or more, or scan it finer; if its resolution is wrong, {CORRECT}",
        )
    level = slide.finer(options.mpp / max(mpp))
    return SlideGrid(
        slide_size=slide.size,
        mpp=mpp,
        level=level,
        downsample=slide.levels[level].downsample,
        tile=options.tile,
        tile_mpp=options.mpp,
        stride=options.tile * options.mpp * (1 - options.overlap),
        origin=slide.origin,
    )


def _scanned(picture: Image.Image, slide: Slide) -> np.ndarray:
    """The part of an overview within the slide's bounds: around it a scanner fills in white, whatever the glass."""
    pixels = np.asarray(picture)
    if slide.bounds is None:
        return pixels
    across, down = (n / full for n, full in zip(picture.size, slide.size, strict=True))
    left, top, width, height = slide.bounds
    columns = slice(round(left * across), max(round((left + width) * across), round(left * across) + 1))
    return pixels[round(top * down) : max(round((top + height) * down), round(top * down) + 1), columns]


def _mpp_flags(mpp: Pair, known_from: str, own: tuple[Pair | None, float | None]) -> list[str]:
    """Where a resolution is from if not from the file, what the file says instead, and whether it is to be doubted."""
    said, objective = own
    if known_from != "metadata":
        return [f"mpp_from_{known_from}", *([] if said is None else [f"{MPP_CORRECTED}:{said[0]:g}->{mpp[0]:g}"])]
    return [f"{MPP_DOUBTFUL}:{mpp[0]:g}"] if doubtful(mpp, objective) else []


def _write_tiles(slide: Slide, grid: SlideGrid, corners: np.ndarray, path: Path) -> tuple[np.ndarray, list[str]]:
    """Reads and stores the tiles at ``corners``; gives those that were stored, and flags about the others."""
    stored: list[np.ndarray] = []
    outside = unreadable = 0
    with growing_shard(path, shape=(grid.tile, grid.tile, 3)) as shard:
        for corner in corners:
            box = grid.level_box(*corner.tolist())
            try:
                region = slide.read_scaled(level=grid.level, box=box, size=(grid.tile, grid.tile))
            except DataError:
                unreadable += 1
                if unreadable > _UNREADABLE:
                    raise
                continue
            if region.outside > _OUTSIDE:
                outside += 1
                continue
            shard.append(np.asarray(region.image))
            stored.append(corner)
    flags = [f"{name}:{count}" for name, count in (("outside", outside), ("unreadable", unreadable)) if count]
    return np.array(stored, dtype=np.int64).reshape(-1, 2), flags


def _save(image: Image.Image, path: Path) -> None:
    with atomic_write(path) as file:
        image.save(file, format="PNG")
