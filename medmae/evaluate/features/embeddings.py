"""Embeddings of tiles, computed once and kept: a file a slide, which every later evaluation reads."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from rich.progress import track
from torch.utils.data import Subset

from medmae.data.manifest import Manifest
from medmae.data.rows import Row, kind_of
from medmae.data.samples import Samples
from medmae.data.shards import open_shard
from medmae.data.slides.slide_grid import SlideGrid
from medmae.errors import DataError, SomeFailedError
from medmae.evaluate.batches import Batch, Items, each_batch
from medmae.evaluate.features.embedding_files import Part, Precision, attributes_of, read_embeddings, write_embeddings
from medmae.evaluate.features.extractor import TileEncoder

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class TileCase:
    """What one file is made of.

    Attributes:
        name: Of the case; the file is called so.
        subject: Patient.
        tiles: Items with an ``image`` ``(3, H, W)`` in [0, 1], of one size.
        source_sha256: Of what the tiles are read from, and which of them.
        coords: Top left corners in level-0 pixels ``(N, 2)``; None if the tiles come from no slide.
        grid: Where they lie; None likewise.
        names: Of the tiles, likewise.
    """

    name: str
    subject: str
    tiles: Items[Mapping[str, Any]]
    source_sha256: str
    coords: np.ndarray | None = None
    grid: SlideGrid | None = None
    names: Sequence[str] = ()


def embed_cases(
    cases: Sequence[TileCase],
    *,
    encoder: TileEncoder,
    out: str | Path,
    precision: Precision = "float16",
    patch_tokens: bool = False,
    batch_size: int = 64,
    num_workers: int = 0,
) -> list[Path]:
    """Writes ``<out>/<case>.h5`` for every case; one that is there, of the same encoder and tiles, is kept.

    Args:
        cases: From :func:`cases_of`, or :func:`medmae.evaluate.features.coords.case_of_slide`.
        encoder: Makes the features.
        out: Folder.
        precision: Of features and tokens.
        patch_tokens: Also write the tokens of every patch: ``(N, P, D)``, a hundred times as much.
        batch_size: Tiles at once.
        num_workers: Processes that read tiles.

    Returns:
        The files, in the order of the cases.

    Raises:
        SomeFailedError: At the end, if a case or some of its tiles could not be read; the others are finished.
    """
    files, failed = embed_readable(
        cases,
        encoder=encoder,
        out=out,
        precision=precision,
        patch_tokens=patch_tokens,
        batch_size=batch_size,
        num_workers=num_workers,
    )
    if failed:
        raise SomeFailedError(f"{len(failed)} of {len(cases)} cases are not whole: " + "; ".join(failed))
    return files


def embed_readable(
    cases: Sequence[TileCase],
    *,
    encoder: TileEncoder,
    out: str | Path,
    precision: Precision = "float16",
    patch_tokens: bool = False,
    batch_size: int = 64,
    num_workers: int = 0,
) -> tuple[list[Path], list[str]]:
    """:func:`embed_cases` for those who go on with the others: files of what could be read, why the rest could not."""
    files, failed = [], []
    for case in track(cases, description=f"Embedding by {encoder.name}", transient=True):
        about = _about(case, encoder) | {"precision": precision, "patch_tokens": int(patch_tokens)}
        path = Path(out) / f"{case.name}.h5"
        if (about | {"left_out": 0}).items() <= attributes_of(path).items():
            files.append(path)
            continue
        lost: dict[int, str] = {}
        batches = each_batch(case.tiles, batch_size=batch_size, workers=num_workers, left_out=lost)
        parts = _parts(batches, encoder, patch_tokens)
        try:
            write_embeddings(
                path, parts, about=about, coords=case.coords, grid=case.grid, names=case.names, precision=precision
            )
            files.append(path)
        except DataError as error:
            log.error("left out: %s", error)
            failed.append(str(error))
        else:
            failed += [f"{case.name} without {len(lost)} tiles: {reason}" for reason in list(lost.values())[:1]]
    return files, failed


def features_of(
    sets: Iterable[Sequence[TileCase]], *, encoder: TileEncoder, out: str | Path, batch_size: int = 64
) -> np.ndarray:
    """Features ``(N, D)`` float32 of all cases of some sets, in their order, kept in files by :func:`embed_cases`."""
    parts = []
    for cases in sets:
        files = embed_cases(cases, encoder=encoder, out=out, precision="float32", batch_size=batch_size)
        # Read before the next set is embedded, which may have a case of the same name.
        parts += [read_embeddings(file).features for file in files]
    return np.concatenate(parts)


def _about(case: TileCase, encoder: TileEncoder) -> dict[str, str | int]:
    return {
        "case": case.name,
        "subject": case.subject,
        "encoder": encoder.name,
        "encoder_sha256": encoder.sha256,
        "encoder_probe": encoder.probe_sha256,
        "pool": encoder.pool,
        "source_sha256": case.source_sha256,
    }


def embed_tiles(
    *,
    tiles: Samples,
    encoder: TileEncoder,
    out: str | Path,
    precision: Precision = "float16",
    patch_tokens: bool = False,
    batch_size: int = 64,
    num_workers: int = 0,
) -> list[Path]:
    """:func:`embed_cases` of all cases of a data set: float32 tiles of the size that the encoder takes."""
    return embed_cases(
        cases_of(tiles),
        encoder=encoder,
        out=out,
        precision=precision,
        patch_tokens=patch_tokens,
        batch_size=batch_size,
        num_workers=num_workers,
    )


def cases_of(dataset: Samples) -> list[TileCase]:
    """The cases of a data set of tiles, float32 and of one size, in its order."""
    members: dict[int, list[int]] = {}
    for index in range(len(dataset)):
        members.setdefault(dataset.item(index).numbers[0], []).append(index)
    return [_case(dataset, row, numbers) for row, numbers in zip(rows_of(dataset), members.values(), strict=True)]


def rows_of(dataset: Samples) -> list[Row]:
    """The rows of the manifest that samples are of, in their order."""
    assert isinstance(dataset.source, Manifest)
    units = dict.fromkeys(dataset.item(index).numbers[0] for index in range(len(dataset)))
    return [dataset.source.rows[unit] for unit in units]


def _case(dataset: Samples, row: Row, numbers: list[int]) -> TileCase:
    places = [dataset.item(number).numbers[1] for number in numbers]
    made_of = f"{row['shard_sha256']} {dataset.view.options} {places if len(places) < row['count'] else 'all'}"
    found = TileCase(
        name=row["case"],
        subject=row["subject"],
        tiles=Subset(dataset, numbers),
        source_sha256=hashlib.sha256(made_of.encode()).hexdigest(),
    )
    if kind_of(row) == "slide":
        coords = open_shard(dataset.source.path.parent / row["coords"])[places]
        return replace(found, coords=coords, grid=SlideGrid.from_dict(row["grid"]))
    return replace(found, names=[row["tiles"]["name"][place] for place in places])


def _parts(batches: Iterator[tuple[list[int], Batch]], encoder: TileEncoder, patch_tokens: bool) -> Iterator[Part]:
    for places, batch in batches:
        features, tokens = encoder.with_tokens(batch["image"])
        yield places, features.cpu().numpy(), tokens.cpu().numpy() if patch_tokens else None
