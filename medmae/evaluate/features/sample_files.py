"""A file of embeddings for a whole data set."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch.utils.data import Subset

from medmae.data.samples import Samples
from medmae.data.views import About
from medmae.evaluate.features.embedding_files import Precision
from medmae.evaluate.features.embeddings import EmbeddingCase, embed_cases
from medmae.evaluate.features.extractor import FeatureExtractor


def embed_images(
    *,
    images: Samples,
    extract: FeatureExtractor,
    out: str | Path,
    precision: Precision = "float16",
    patch_tokens: bool = False,
    batch_size: int = 64,
    num_workers: int = 0,
) -> Path:
    """Writes ``<out>/<split>.h5`` (``all.h5`` of all): ``features`` ``(N, D)``, and ``names`` of the images.

    Args:
        images: Float32, of the size and channels that the encoder takes.
        extract: Makes the features.
        out: Folder.
        precision: Of features and tokens.
        patch_tokens: Also write the tokens of every patch, ``(N, P, D)``.
        batch_size: Images at once.
        num_workers: Processes that read images.

    Raises:
        SomeFailedError: At the end, if an image could not be read; the file holds the others.
    """
    return embed_cases(
        [case_of_samples(images, name=images.split or "all")],
        extract=extract,
        out=out,
        precision=precision,
        patch_tokens=patch_tokens,
        batch_size=batch_size,
        num_workers=num_workers,
    )[0]


def case_of_samples(samples: Any, *, name: str) -> EmbeddingCase:  # noqa: ANN401 - or some of them
    """One file of embeddings for all samples."""
    describe = _describe(samples)
    return EmbeddingCase(
        name=name,
        subject="",
        samples=samples,
        source_sha256=_sha256(samples),
        names=[str(describe(number)["case"]) for number in range(len(samples))],
    )


def _describe(samples: Any) -> Callable[[int], About]:  # noqa: ANN401
    if isinstance(samples, Subset):
        inner = _describe(samples.dataset)
        return lambda number: inner(samples.indices[number])
    found: Callable[[int], About] = samples.describe
    return found


def _sha256(samples: Any) -> str:  # noqa: ANN401
    """What samples are read from, which they are, and how they are read."""
    if isinstance(samples, Subset):
        return hashlib.sha256(f"{list(samples.indices)} of {_sha256(samples.dataset)}".encode()).hexdigest()
    return str(samples.sha256)
