"""Features of samples, computed once by each encoder and kept beside the run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from medmae.errors import DataError
from medmae.evaluate.batches import each_batch
from medmae.evaluate.features.embedding_cases import case_of_samples
from medmae.evaluate.features.embedding_files import read_embeddings
from medmae.evaluate.features.embeddings import Embedder
from medmae.evaluate.features.extractor import FeatureExtractor
from medmae.training.reading import Items


def features(
    extract: FeatureExtractor,
    samples: Items[Mapping[str, Any]],
    *,
    cache: str | Path,
    batch_size: int = 64,
    workers: int = 0,
    left_out: dict[int, str] | None = None,
) -> np.ndarray:
    """``(N, D)`` float32 of the samples that can be read, in order; of several views of a sample their mean.

    Args:
        extract: Makes the features.
        samples: Of the size and channels that the encoder takes.
        cache: An HDF5 file; what is there of the same encoder (weights, heads, scale, pooling) and the same samples,
            read in the same way, is not computed again.
        batch_size: Samples at once.
        workers: Processes that read samples.
        left_out: Receives why samples were left out, by their number; None refuses to leave any out.

    Raises:
        DataError: If no sample can be read, or one cannot and ``left_out`` is None.
    """
    path = Path(cache)
    embedder = Embedder(extract=extract, precision="float32", batch_size=batch_size, workers=workers)
    lost = embedder.write(case_of_samples(samples, name=path.stem), path)
    if lost and left_out is None:
        reason = next(iter(lost.values()))
        raise DataError(f"{len(lost)} of {len(samples)} samples cannot be read: {reason}", remedy="prepare them again")
    if left_out is not None:
        left_out.update(lost)
    return read_embeddings(path).features


def tokens(extract: FeatureExtractor, samples: Items[Mapping[str, Any]], *, batch_size: int = 64) -> np.ndarray:
    """Patch tokens ``(N, P, D)`` float16 of all samples, in memory; of several views one after the other.

    Raises:
        DataError: If a sample cannot be read.
    """
    lost: dict[int, str] = {}
    parts = []
    for _, batch in each_batch(samples, batch_size=batch_size, left_out=lost):
        parts.append(extract.tokens_of_batch(batch).half().cpu())
    if lost:
        raise DataError(f"{len(lost)} samples cannot be read: {next(iter(lost.values()))}", remedy="prepare them again")
    return torch.cat(parts).numpy()
