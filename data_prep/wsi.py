"""Whole slides to a prepared data set: tiles of one size in microns where there is tissue, split by patient.

What is written to ``out``::

    manifest.jsonl   one JSON object a slide, sorted by case (keys below)
    splits.csv       subject,split
    summary.csv      case,subject,split,tiles,tissue,mpp,level,ratio,flags,seconds; also of slides without tissue
    quarantine.csv   case,file,field,value,reason,remedy of every slide that could not be used
    prep.json        options, versions, counts
    masks/           <case>.png (white: tissue) and <case>_overlay.png (its outline on the slide)
    shards/          <case>.npy uint8 (N, H, W, 3), <case>.coords.npy int64 (N, 2); <case>.json lets a run go on

A row of the manifest has ``case``, ``subject``, ``session`` (null), ``split``, ``kind`` (``slide``), ``source``,
``source_sha256``, ``shard``, ``shard_sha256``, ``dtype``, ``count`` (tiles), ``coords`` (top left corners in level-0
pixels), ``coords_sha256``, ``grid`` (:class:`medmae.data.slides.slide_grid.SlideGrid`), ``tissue`` (share of the
slide), ``label`` (of the slide, or null), ``options_sha256`` and ``flags``.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console

from data_prep.command import run_prepare
from data_prep.outcome import PrepResult, Row, manifest_rows, result_of, write_record, write_tables
from data_prep.slide import Options, SlideTask, prepare_slide
from data_prep.slides import SlideSource, find_slides
from data_prep.tables import print_summary
from data_prep.work import check_names, check_writable, given_split, nothing_usable, run_cases, workers_for
from medmae.data import splits
from medmae.data.manifest import NAME
from medmae.errors import DataError

EXAMPLE = "slides/ prepared/ --microns 112"
LIMIT_S = 3600.0
_COLUMNS = ("case", "subject", "split", "tiles", "tissue", "mpp", "level", "ratio", "flags", "seconds")
_SHOWN = {name: name for name in ("case", "split", "tiles", "tissue", "mpp", "ratio", "flags")}
_PACKAGES = ("numpy", "scipy", "scikit-image", "pillow", "openslide-python", "openslide-bin", "tifffile", "distributed")


def prepare(
    *,
    source: str | Path,
    out: str | Path,
    table: str | Path | None = None,
    patient_from: str | None = None,
    tile: int = 224,
    mpp: float | None = None,
    microns: float | None = None,
    overlap: float = 0.0,
    min_tissue: float = 0.25,
    mpp_from_objective: bool = False,
    split: str | Path | None = None,
    fractions: tuple[float, float, float] = splits.FRACTIONS,
    seed: int = 0,
    limit_s: float = LIMIT_S,
    workers: int | None = None,
    scheduler: str | None = None,
    console: Console | None = None,
) -> PrepResult:
    """Prepares whole slides: tissue, tiles of one size in microns, split by patient, shards and a manifest.

    A slide that cannot be used is quarantined, one without tissue is listed as empty, and the others go on. A slide
    whose file and options are those of an earlier run is kept.

    Args:
        source: Folder of whatever OpenSlide opens, or one slide.
        out: Folder to write; made if it is not there.
        table: CSV with ``slide`` and some of ``patient,mpp,label``.
        patient_from: Regular expression on file names whose first group is the patient.
        tile: Edge of a tile in pixels.
        mpp: Microns a pixel of a tile; tile * mpp is what it covers; 0.5 if nothing is said.
        microns: Edge of a tile in microns, instead of mpp.
        overlap: Share of a tile that the next one repeats, from 0 to below 1.
        min_tissue: Smallest share of tissue in a tile, 0 to 1.
        mpp_from_objective: Where neither slide nor table tells its resolution: 10 / nominal magnification.
        split: CSV with ``subject,split``; None draws one from ``seed``.
        fractions: Shares of train, val, test of a drawn split, in whole subjects.
        seed: Of a drawn split.
        limit_s: Seconds after which a slide's reader is taken to hang.
        workers: Slides at a time; 0 is one, without a cluster; None chooses.
        scheduler: Address of a running Dask scheduler.
        console: Where progress and tables go; None prints to the standard error stream.

    Raises:
        DataError: If nothing can be used, the split does not cover the subjects, or a patient would be in two splits.
        ValueError: If an argument is out of range.
    """
    console = console or Console(stderr=True)
    if mpp is not None and microns is not None:
        raise ValueError(f"mpp and microns say the same thing: give one, got {mpp} and {microns}")
    mpp = microns / tile if microns is not None and tile else 0.5 if mpp is None else mpp
    options = Options(tile=tile, mpp=mpp, overlap=overlap, min_tissue=min_tissue, from_objective=mpp_from_objective)
    _check_arguments(options, fractions, limit_s)
    source, out = Path(source), Path(out)
    found = find_slides(source, table=None if table is None else Path(table), patient_from=patient_from)
    names = [slide.case for slide in found]
    check_names(names)
    given = None if split is None else given_split(split, (slide.subject for slide in found))
    check_writable(out)
    tasks = [SlideTask(slide=slide, out=out, options=options, limit_s=limit_s) for slide in found]
    workers = workers_for(workers, [file for slide in found for file in slide.files])
    outcome = run_cases(prepare_slide, tasks, names=names, workers=workers, scheduler=scheduler, console=console)
    failures = outcome.write_quarantine(out, names)
    if not outcome.done:
        raise nothing_usable(outcome.failed, out, source)
    rows, empty = _full(outcome.rows, source)
    rows = manifest_rows(rows, given, fractions=fractions, seed=seed, manifest=out / NAME)
    lines = [_line(row, outcome.seconds[row["case"]]) for row in (*rows, *empty)]
    write_tables(rows, lines, _COLUMNS, out)
    result = result_of(rows, outcome, out)
    write_record(
        result, asdict(options), source=source, split=split, fractions=fractions, seed=seed, packages=_PACKAGES
    )
    print_summary(console, lines, _SHOWN, failures, result.manifest, what="slide", notes=_notes(found, empty))
    return result


def _check_arguments(options: Options, fractions: tuple[float, float, float], limit_s: float) -> None:
    if options.tile < 1 or not 0.01 <= options.mpp <= 50:
        raise ValueError(f"tile must be >= 1 and mpp from 0.01 to 50, got {options.tile} and {options.mpp}")
    if not 0 <= options.overlap < 1 or not 0 <= options.min_tissue <= 1:
        raise ValueError(
            f"overlap must be >= 0 and < 1, min_tissue from 0 to 1, got {options.overlap} and {options.min_tissue}"
        )
    if limit_s <= 0:
        raise ValueError(f"limit_s must be positive, got {limit_s}")
    splits.split_by_subject((), fractions=fractions)


def _full(rows: list[Row], source: Path) -> tuple[list[Row], list[Row]]:
    """Slides with tiles, and those without."""
    full, empty = [row for row in rows if row["count"]], [row for row in rows if not row["count"]]
    if not full:
        raise DataError(
            f"no tissue was found in any of the {len(empty)} slides",
            path=source,
            field="tiles",
            value=0,
            remedy="look at the pictures in masks/, or lower --min-tissue",
        )
    return full, empty


def _line(row: Row, seconds: float) -> dict[str, Any]:
    """One line of ``summary.csv``."""
    grid = row["grid"]
    return {
        "case": row["case"],
        "subject": row["subject"],
        "split": row.get("split", ""),
        "tiles": row["count"],
        "tissue": f"{row['tissue']:.2f}",
        "mpp": " ".join(f"{value:g}" for value in sorted(set(grid["mpp"]))),
        "level": grid["level"],
        "ratio": f"{max(grid['ratio']):.4g}",
        "flags": " ".join([*row["flags"], *([] if row["count"] else ["empty"])]),
        "seconds": f"{seconds:.2f}",
    }


def _notes(slides: list[SlideSource], empty: list[Row]) -> list[str]:
    notes = []
    alone = [slide for slide in slides if not slide.known]
    if alone:
        notes.append(
            f"no patient is known of {len(alone)} of {len(slides)} slides, and each of these counts as one: if a "
            "patient can have several, name them in --table (slide,patient) or by --patient-from"
        )
    if empty:
        notes.append(f"no tissue, hence no tile, in {', '.join(row['case'] for row in empty[:10])}")
    return notes


def main(arguments: list[str] | None = None) -> None:
    """``python -m data_prep.wsi SOURCE OUT``, see :func:`data_prep.command.run_prepare`.

    Raises:
        SystemExit: Always, with one of :class:`medmae.errors.ExitCode`.
    """
    run_prepare(prepare, name="data_prep.wsi", example=EXAMPLE, arguments=arguments)


if __name__ == "__main__":
    main()
