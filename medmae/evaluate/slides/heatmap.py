"""What a classifier says of every tile of whole slides: pictures, files for QuPath, tables a slide and a patient."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from rich.progress import track

from medmae.data.slides.wsi import Slide
from medmae.data.slides.wsi_overview import overview
from medmae.errors import DataError, SomeFailedError
from medmae.evaluate.features.embedding_files import Embeddings, read_embeddings
from medmae.evaluate.slides.slide_tables import Line, SlideProbabilities, write_slide_tables
from medmae.evaluate.slides.tile_map import TileMap, draw_map, write_geojson
from medmae.files import write_text
from medmae.report.text import slug

log = logging.getLogger(__name__)
FOLDER, RECORD = "heatmaps", "heatmaps.json"


def map_slides(
    files: Sequence[str | Path],
    *,
    classify: Callable[[np.ndarray], np.ndarray],
    classes: Sequence[str],
    slides: Mapping[str, str | Path],
    out: str | Path,
    shown: Sequence[str] | None = None,
    edge: int = 1024,
) -> list[SlideProbabilities]:
    """Draws and tables what a classifier says of slides.

    Writes ``<case>_<class>.png``, ``<case>.geojson``, ``tiles.csv``, ``slides.csv`` and ``patients.csv`` to
    ``<out>/heatmaps``, and ``<out>/heatmaps.json``, which the report reads.

    Args:
        files: Embeddings, one file a slide.
        classify: Features ``(N, D)`` -> probabilities ``(N, K)``, such as ``predict_proba`` of a fitted pipeline.
        classes: K names.
        slides: File of each case, for its picture.
        out: Evaluation folder of a run.
        shown: Classes to draw; None draws all.
        edge: Longer side of a picture of the slide, in pixels.

    Raises:
        ValueError: If a class to draw is none.
        SomeFailedError: At the end, if a slide could not be read; tables hold the others.
    """
    wanted = list(classes if shown is None else shown)
    if unknown := sorted(set(wanted) - set(classes)):
        raise ValueError(f"no class {', '.join(unknown)} among {', '.join(classes)}")
    folder, mapped, drawn, failed = Path(out) / FOLDER, list[SlideProbabilities](), list[Line](), list[str]()
    for file in track(files, description="Mapping slides", transient=True):
        try:
            found = read_embeddings(file)
            tiles = _classified(found, classify)
            taken = {str(line["file"]) for line in drawn}
            drawn += _draw(found, tiles, classes, wanted, slides, folder=folder, edge=edge, taken=taken)
            mapped.append(tiles)
        except DataError as error:
            log.error("left out: %s", error)
            failed.append(str(error))
    if mapped:
        write_slide_tables(folder, mapped, classes)
        write_text(Path(out) / RECORD, json.dumps({"classes": list(classes), "pictures": drawn}, indent=2))
    else:
        (Path(out) / RECORD).unlink(missing_ok=True)  # of an earlier run: the report must not show it as this one's
    if failed:
        raise SomeFailedError(f"{len(failed)} of {len(files)} slides were left out: " + "; ".join(failed))
    return mapped


def _classified(found: Embeddings, classify: Callable[[np.ndarray], np.ndarray]) -> SlideProbabilities:
    if found.coords is None or found.grid is None:
        raise DataError(
            "these embeddings do not say where tiles lie",
            path=found.path,
            field="coords",
            remedy="embed the slide here; coordinates of another tool can be handed in",
        )
    case = str(found.about.get("case", found.path.stem))
    patient = str(found.about.get("subject", case))
    return SlideProbabilities(
        case=case, patient=patient, coords=found.coords, probabilities=np.asarray(classify(found.features))
    )


def _draw(
    found: Embeddings,
    tiles: SlideProbabilities,
    classes: Sequence[str],
    wanted: Sequence[str],
    slides: Mapping[str, str | Path],
    *,
    folder: Path,
    edge: int,
    taken: set[str],
) -> list[Line]:
    """The pictures that were written, as ``heatmaps.json`` lists them; none under a name that is ``taken``."""
    case, grid, lines = tiles.case, found.grid, list[Line]()
    assert grid is not None
    if case not in slides:
        raise DataError("nobody said where this slide is", field="slides", value=case, remedy="name its file")
    with Slide(slides[case]) as slide:
        picture, _ = overview(slide, edge=edge)
        if slide.size != grid.slide_size:
            raise DataError(
                f"the slide has {slide.size} pixels, the embeddings are of one with {grid.slide_size}",
                path=slide.path,
                field="slide_size",
                value=slide.size,
                remedy="embed this slide again, or name the file that was embedded",
            )
        grid = replace(grid, origin=slide.origin)  # embeddings of old do not say it
    write_geojson(
        folder / f"{case}.geojson",
        grid=grid,
        coords=tiles.coords,
        probabilities=tiles.probabilities,
        classes=classes,
    )
    for name in wanted:
        values = tiles.probabilities[:, list(classes).index(name)]
        tile_map = TileMap(grid=grid, coords=tiles.coords, values=values, name=f"probability of {name}")
        path = folder / _free_name(f"{case}_{slug(name)}", taken)
        draw_map(tile_map, slide=picture, title=case, path=path)
        about = {"tiles": len(values), "mean": float(values.mean())}
        lines.append({"case": case, "patient": tiles.patient, "class": name, "file": path.name, **about})
    return lines


def _free_name(stem: str, taken: set[str]) -> str:
    """A name that no picture has yet, noted in ``taken``; two classes may differ only in what no file name can hold."""
    name = f"{stem}_{len(taken)}.png" if f"{stem}.png" in taken else f"{stem}.png"
    taken.add(name)
    return name
