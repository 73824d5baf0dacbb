"""Whole slides to a prepared data set: tiles of one size in microns where there is tissue, split by patient.

What is written to ``out``::

    manifest.jsonl   one JSON object a slide, sorted by case (keys below)
    splits.csv       subject,split
    summary.csv      case,subject,split,tiles,tissue,mpp,level,ratio,flags,seconds; also of slides without tissue
    quarantine.csv   case,file,field,value,reason,remedy of every slide or folder that could not be used
    left_out.csv     file,reason of every other file that is not read
    prep.json        options, versions, counts
    masks/           <case>.png (white: tissue) and <case>_overlay.png (its outline on the slide)
    shards/          <case>.npy uint8 (N, H, W, 3), <case>.coords.npy int64 (N, 2); <case>.json lets a run go on

A row of the manifest has ``case``, ``subject``, ``session`` (null), ``split``, ``kind`` (``slide``), ``source``,
``source_sha256``, ``shard``, ``shard_sha256``, ``dtype``, ``count`` (tiles), ``coords`` (top left corners in level-0
pixels), ``coords_sha256``, ``grid`` (:class:`medmae.data.slides.slide_grid.SlideGrid`), ``tissue`` (share of the
slide), ``label`` (of the slide, or null), ``options_sha256`` and ``flags``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from data_prep.command import main_of, prepare_with
from data_prep.outcome import Row
from data_prep.preparation import Preparation
from data_prep.slide import MPP_CORRECTED, MPP_DOUBTFUL, Options, SlideTask, prepare_slide
from data_prep.slides import SlideSource, find_slides
from data_prep.unit import FoundUnits
from medmae.data.left_out import LeftOut
from medmae.data.slides.resolution import CORRECT
from medmae.errors import DataError

EXAMPLE = "slides/ prepared/ --microns 112"
LIMIT_S = 3600.0


@dataclass(frozen=True, kw_only=True)
class SlidePreparation(Preparation[SlideSource]):
    """Prepares whole slides: tissue, tiles of one size in microns, split by patient, shards and a manifest.

    A slide without tissue is listed as empty.

    Args:
        source: Folder of whatever OpenSlide opens, or one slide.
        table: CSV with ``slide`` and some of ``patient,mpp,label``; its ``mpp`` overrules the file's.
        tile: Edge of a tile in pixels.
        mpp: Microns a pixel of a tile; tile * mpp is what it covers; 0.5 if nothing is said.
        microns: Edge of a tile in microns, instead of mpp.
        overlap: Share of a tile that the next one repeats, from 0 to below 1.
        min_tissue: Smallest share of tissue in a tile, 0 to 1.
        slide_mpp: Microns a level-0 pixel of all slides that the table says nothing of, in place of the files'.
        mpp_from_objective: Where neither slide nor table tells its resolution: 10 / nominal magnification.
        limit_s: Seconds after which a slide's reader is taken to hang.
    """

    what = "slide"
    columns = ("tiles", "tissue", "mpp", "level", "ratio")
    packages = (
        *("numpy", "scipy", "scikit-image", "pillow"),
        *("openslide-python", "openslide-bin", "tifffile", "distributed"),
    )
    work = staticmethod(prepare_slide)

    table: str | Path | None = None
    tile: int = 224
    mpp: float | None = None
    microns: float | None = None
    overlap: float = 0.0
    min_tissue: float = 0.25
    slide_mpp: float | None = None
    mpp_from_objective: bool = False
    limit_s: float = LIMIT_S

    @property
    def stored(self) -> Options:
        """What shapes the shards."""
        mpp = self.microns / self.tile if self.microns is not None and self.tile else self.mpp
        return Options(
            tile=self.tile,
            mpp=0.5 if mpp is None else mpp,
            overlap=self.overlap,
            min_tissue=self.min_tissue,
            from_objective=self.mpp_from_objective,
        )

    def check(self) -> None:
        """Raises ValueError for options out of range."""
        if self.mpp is not None and self.microns is not None:
            raise ValueError(f"mpp and microns say the same thing: give one, got {self.mpp} and {self.microns}")
        if self.tile < 1 or not 0.01 <= self.stored.mpp <= 50:
            raise ValueError(f"tile must be >= 1 and mpp from 0.01 to 50, got {self.tile} and {self.stored.mpp}")
        if not 0 <= self.overlap < 1 or not 0 <= self.min_tissue <= 1:
            raise ValueError(
                f"overlap must be >= 0 and < 1, min_tissue from 0 to 1, got {self.overlap} and {self.min_tissue}"
            )
        if self.slide_mpp is not None and not 0.01 <= self.slide_mpp <= 50:
            raise ValueError(f"slide_mpp must be from 0.01 to 50, got {self.slide_mpp}")
        if not self.limit_s > 0:
            raise ValueError(f"limit_s must be positive, got {self.limit_s}")

    def find(self) -> FoundUnits[SlideSource]:
        """The slides of the source."""
        table = None if self.table is None else Path(self.table)
        left: list[LeftOut] = []
        slides = find_slides(Path(self.source), table=table, given=self.given, left=left)
        return FoundUnits(units=tuple(slides), left_out=tuple(left))

    def task(self, unit: SlideSource) -> SlideTask:
        """What a worker needs for one slide."""
        unit = replace(unit, mpp=self.slide_mpp) if unit.mpp is None else unit
        return SlideTask(slide=unit, out=Path(self.out), options=self.stored, limit_s=self.limit_s)

    def options(self) -> Row:
        """What a user chose, and the size of tiles that this gives."""
        return super().options() | {"mpp": self.stored.mpp}

    def usable(self, rows: list[Row]) -> tuple[list[Row], list[Row]]:
        """Slides with tiles, and those without."""
        full, empty = [row for row in rows if row["count"]], [row for row in rows if not row["count"]]
        if not full:
            raise DataError(
                f"no tissue was found in any of the {len(empty)} slides",
                path=self.source,
                field="tiles",
                value=0,
                remedy="look at the pictures in masks/, or lower --min-tissue",
            )
        for row in empty:
            row["flags"] = [*row["flags"], "empty"]
        return full, empty

    def line(self, row: Row) -> Row:
        """Its columns of ``summary.csv``."""
        grid = row["grid"]
        return {
            "tiles": row["count"],
            "tissue": f"{row['tissue']:.2f}",
            "mpp": " ".join(f"{value:g}" for value in sorted(set(grid["mpp"]))),
            "level": grid["level"],
            "ratio": f"{max(grid['ratio']):.4g}",
        }

    def notes(self, found: FoundUnits[SlideSource], rows: Sequence[Row]) -> list[str]:
        """Whether patients are known, and resolutions to be doubted."""
        notes = []
        for flag, text in (
            (MPP_CORRECTED, "are taken at the resolution that you state, in place of the file's"),
            (MPP_DOUBTFUL, f"say a resolution that no scanner has, or that their magnification contradicts; {CORRECT}"),
        ):
            told = [(row["case"], said) for row in rows for said in row["flags"] if said.startswith(flag)]
            if told:
                shown = ", ".join(f"{case} ({said.partition(':')[2]} µm)" for case, said in told[:5])
                notes.append(f"{len(told)} of {len(rows)} slides {text}: {shown}{' …' if len(told) > 5 else ''}")
        alone = [slide for slide in found.units if not slide.known]
        if alone:
            notes.append(
                f"no patient is known of {len(alone)} of {len(found.units)} slides, and each of these counts as one: "
                "if a patient can have several, name them in --table (slide,patient) or by --subject-from"
            )
        return notes


prepare = prepare_with(SlidePreparation)
main = main_of(prepare, name="data_prep.wsi", example=EXAMPLE)

if __name__ == "__main__":
    main()
