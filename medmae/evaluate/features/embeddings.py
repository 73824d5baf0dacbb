"""Embeddings, computed once and kept: a file a slide, or a data set, which every later evaluation reads."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator, Mapping, Sequence
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
from medmae.evaluate.features.embedding_files import Part, Precision, attributes_of, write_embeddings
from medmae.evaluate.features.extractor import FeatureExtractor

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class EmbeddingCase:
    """What one file is made of.

    Attributes:
        name: Of the case; the file is called so.
        subject: Patient.
        samples: Items with an ``image`` ``(C, *size)``, of one size.
        source_sha256: Of what the samples are read from, which they are, and how they are read.
        coords: Top left corners in level-0 pixels ``(N, 2)``; None if the tiles come from no slide.
        grid: Where they lie; None likewise.
        names: Of the tiles, likewise.
    """

    name: str
    subject: str
    samples: Items[Mapping[str, Any]]
    source_sha256: str
    coords: np.ndarray | None = None
    grid: SlideGrid | None = None
    names: Sequence[str] = ()


def embed_cases(
    cases: Sequence[EmbeddingCase],
    *,
    extract: FeatureExtractor,
    out: str | Path,
    precision: Precision = "float16",
    patch_tokens: bool = False,
    batch_size: int = 64,
    num_workers: int = 0,
) -> list[Path]:
    """Writes ``<out>/<case>.h5`` for every case; one that is there, of the same encoder and tiles, is kept.

    Args:
        cases: From :func:`cases_of`, or :func:`medmae.evaluate.features.coords.case_of_slide`.
        extract: Makes the features.
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
        extract=extract,
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
    cases: Sequence[EmbeddingCase],
    *,
    extract: FeatureExtractor,
    out: str | Path,
    precision: Precision = "float16",
    patch_tokens: bool = False,
    batch_size: int = 64,
    num_workers: int = 0,
) -> tuple[list[Path], list[str]]:
    """:func:`embed_cases` for those who go on with the others: files of what could be read, why the rest could not."""
    files, failed = [], []
    for case in track(cases, description=f"Embedding by {extract.name}", transient=True):
        path = Path(out) / f"{case.name}.h5"
        try:
            lost = embed_case(
                case,
                extract=extract,
                path=path,
                precision=precision,
                patch_tokens=patch_tokens,
                batch_size=batch_size,
                workers=num_workers,
            )
            files.append(path)
            failed += [f"{case.name} without {len(lost)} samples: {reason}" for reason in list(lost.values())[:1]]
        except DataError as error:
            log.error("left out: %s", error)
            failed.append(str(error))
    return files, failed


def embed_case(
    case: EmbeddingCase,
    *,
    extract: FeatureExtractor,
    path: Path,
    precision: Precision = "float16",
    patch_tokens: bool = False,
    batch_size: int = 64,
    workers: int = 0,
) -> dict[int, str]:
    """Writes the file of one case, unless it is there; gives why samples were left out of it, by their number.

    Raises:
        DataError: If none can be read, or a feature is not finite.
    """
    about = _about(case, extract) | {"precision": precision, "patch_tokens": int(patch_tokens)}
    if (about | {"left_out": 0}).items() <= attributes_of(path).items():
        return {}
    lost: dict[int, str] = {}
    batches = each_batch(case.samples, batch_size=batch_size, workers=workers, left_out=lost)
    write_embeddings(
        path,
        _parts(batches, extract, patch_tokens),
        about=about,
        coords=case.coords,
        grid=case.grid,
        names=case.names,
        precision=precision,
    )
    return lost


def _about(case: EmbeddingCase, extract: FeatureExtractor) -> dict[str, str | int]:
    return {
        "case": case.name,
        "subject": case.subject,
        "encoder": extract.name,
        "encoder_sha256": extract.sha256,
        "pool": extract.pool,
        "block": extract.block or 0,
        "source_sha256": case.source_sha256,
    }


def embed_tiles(
    *,
    tiles: Samples,
    extract: FeatureExtractor,
    out: str | Path,
    precision: Precision = "float16",
    patch_tokens: bool = False,
    batch_size: int = 64,
    num_workers: int = 0,
) -> list[Path]:
    """:func:`embed_cases` of all cases of a data set: float32 tiles of the size that the encoder takes."""
    return embed_cases(
        cases_of(tiles),
        extract=extract,
        out=out,
        precision=precision,
        patch_tokens=patch_tokens,
        batch_size=batch_size,
        num_workers=num_workers,
    )


def cases_of(dataset: Samples) -> list[EmbeddingCase]:
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


def _case(dataset: Samples, row: Row, numbers: list[int]) -> EmbeddingCase:
    places = [dataset.item(number).numbers[1] for number in numbers]
    made_of = f"{row['shard_sha256']} {dataset.view.options} {places if len(places) < row['count'] else 'all'}"
    found = EmbeddingCase(
        name=row["case"],
        subject=row["subject"],
        samples=Subset(dataset, numbers),
        source_sha256=hashlib.sha256(made_of.encode()).hexdigest(),
    )
    if kind_of(row) == "slide":
        coords = open_shard(dataset.source.path.parent / row["coords"])[places]
        return replace(found, coords=coords, grid=SlideGrid.from_dict(row["grid"]))
    return replace(found, names=[row["tiles"]["name"][place] for place in places])


def _parts(batches: Iterator[tuple[list[int], Batch]], extract: FeatureExtractor, patch_tokens: bool) -> Iterator[Part]:
    for places, batch in batches:
        if not patch_tokens:
            yield places, extract.of_batch(batch).cpu().numpy(), None
            continue
        features, tokens = extract.with_tokens(batch["image"])
        yield places, features.cpu().numpy(), tokens.cpu().numpy()
