"""Features of images, computed once by each encoder and kept beside the run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from medmae.data.samples import Samples
from medmae.evaluate.features.embedding_files import Precision
from medmae.evaluate.features.embeddings import TileCase, embed_cases, features_of
from medmae.evaluate.features.extractor import TileEncoder


def embedded(encoder: TileEncoder, sets: Sequence[Samples], *, folder: str | Path, batch_size: int = 64) -> np.ndarray:
    """Features of all images of some sets ``(N, D)`` float32, in their order.

    ``<folder>/<set>.h5`` holds those of each set; what is there, of the same encoder and images, is read, not computed.

    Args:
        encoder: Makes the features.
        sets: Float32, of the size and channels that the encoder takes.
        folder: Where the files go.
        batch_size: Images at once.
    """
    cases = [[case_of_images(some)] for some in sets]
    return features_of(cases, encoder=encoder, out=folder, batch_size=batch_size)


def embed_images(
    *,
    images: Samples,
    encoder: TileEncoder,
    out: str | Path,
    precision: Precision = "float16",
    patch_tokens: bool = False,
    batch_size: int = 64,
    num_workers: int = 0,
) -> Path:
    """Writes ``<out>/<split>.h5`` (``all.h5`` of all): ``features`` ``(N, D)``, and ``names`` of the images.

    Args:
        images: Float32, of the size and channels that the encoder takes.
        encoder: Makes the features.
        out: Folder.
        precision: Of features and tokens.
        patch_tokens: Also write the tokens of every patch, ``(N, P, D)``.
        batch_size: Images at once.
        num_workers: Processes that read images.

    Raises:
        SomeFailedError: At the end, if an image could not be read; the file holds the others.
    """
    return embed_cases(
        [case_of_images(images)],
        encoder=encoder,
        out=out,
        precision=precision,
        patch_tokens=patch_tokens,
        batch_size=batch_size,
        num_workers=num_workers,
    )[0]


def case_of_images(images: Samples) -> TileCase:
    """One file of embeddings for a whole set of images."""
    names = [images.describe(index).case for index in range(len(images))]
    return TileCase(
        name=images.split or "all",
        subject="",
        tiles=images,
        source_sha256=images.sha256,
        names=names,
    )
