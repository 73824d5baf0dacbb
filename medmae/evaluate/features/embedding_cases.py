"""Which files of embeddings a data set gives, and what each is made of: a file a slide, or one of all samples."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from torch.utils.data import Subset

from medmae.data.manifest import Manifest
from medmae.data.rows import Row, kind_of
from medmae.data.samples import Samples
from medmae.data.slides.slide_grid import SlideGrid
from medmae.data.slides.tiles import Tiles
from medmae.data.views import About
from medmae.training.reading import Items


@dataclass(frozen=True, kw_only=True)
class EmbeddingCase:
    """What one file is made of.

    Attributes:
        name: The file is called so.
        subject: Patient; empty of several.
        samples: Items with an ``image`` ``(C, *size)``, of one size.
        source_sha256: Of what the samples are read from, which they are, and how they are read.
        coords: Top left corners in level-0 pixels ``(N, 2)``; None if samples come from no slide.
        grid: Where they lie; None likewise.
        names: Of the samples, likewise.
    """

    name: str
    subject: str
    samples: Items[Mapping[str, Any]]
    source_sha256: str
    coords: np.ndarray | None = None
    grid: SlideGrid | None = None
    names: Sequence[str] = ()


def cases_of(dataset: Samples) -> list[EmbeddingCase]:
    """A file a case of tiles, in their order; of other samples one of all."""
    if not isinstance(dataset.view, Tiles):
        return [case_of_samples(dataset, name=dataset.split or "all")]
    members: dict[int, list[int]] = {}
    for index in range(len(dataset)):
        members.setdefault(dataset.item(index).numbers[0], []).append(index)
    return [_case(dataset, row, numbers) for row, numbers in zip(rows_of(dataset), members.values(), strict=True)]


def rows_of(dataset: Samples) -> list[Row]:
    """The rows of the manifest that samples are of, in their order."""
    assert isinstance(dataset.source, Manifest)
    units = dict.fromkeys(dataset.item(index).numbers[0] for index in range(len(dataset)))
    return [dataset.source.rows[unit] for unit in units]


def case_of_samples(samples: Any, *, name: str) -> EmbeddingCase:  # noqa: ANN401 - a data set, or some of one
    """One file of all samples."""
    describe = _describe(samples)
    return EmbeddingCase(
        name=name,
        subject="",
        samples=samples,
        source_sha256=_sha256(samples),
        names=[str(describe(number)["case"]) for number in range(len(samples))],
    )


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
        assert isinstance(dataset.source, Manifest)
        coords = dataset.source.shards[row["coords"]][places]
        return replace(found, coords=coords, grid=SlideGrid.from_dict(row["grid"]))
    return replace(found, names=[row["tiles"]["name"][place] for place in places])


def _describe(samples: Any) -> Callable[[int], About]:  # noqa: ANN401
    if isinstance(samples, Subset):
        inner = _describe(samples.dataset)
        return lambda number: inner(samples.indices[number])
    found: Callable[[int], About] = samples.describe
    return found


def _sha256(samples: Any) -> str:  # noqa: ANN401
    if isinstance(samples, Subset):
        return hashlib.sha256(f"{list(samples.indices)} of {_sha256(samples.dataset)}".encode()).hexdigest()
    return str(samples.sha256)
