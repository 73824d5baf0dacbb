"""Features of an encoder, in memory."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from medmae.api.samples import samples_of
from medmae.bundle.device import require_device
from medmae.data.samples import Samples
from medmae.errors import DataError
from medmae.evaluate.batches import each_batch
from medmae.evaluate.features.extractor import FeatureExtractor
from medmae.nn.encoder import Encoder, Pool


@dataclass(frozen=True, eq=False)
class Embedded:
    """Features and what they are of, in one order.

    Attributes:
        features: ``(N, D)`` float32.
        names: ``(N,)`` of the samples; of an array their numbers.
        subjects: ``(N,)`` whose they are; empty texts where nobody says.
        labels: ``(N,)`` names of their classes; empty texts where there are none.
    """

    features: np.ndarray
    names: np.ndarray
    subjects: np.ndarray
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.features)


def embed(
    encoder: Encoder,
    data: Samples | Tensor | np.ndarray | str | Path,
    *,
    split: str | None = None,
    pool: Pool = "mean",
    batch_size: int = 64,
    workers: int = 0,
    device: torch.device | str | None = None,
) -> Embedded:
    """Features of data, without mask, gradient or randomness.

    Args:
        encoder: Of :func:`medmae.load_encoder`, or any other.
        data: A folder or table of images, or what ``medmae prep`` wrote of images, slides or MR volumes; samples with a
            view of their own; or ``(N, C, *size)`` in its own units (images in [0, 1]).
        split: Of what lies at a path; None is all.
        pool: See :meth:`medmae.nn.encoder.Encoder.features`.
        batch_size: Samples at once.
        workers: Processes that read.
        device: None takes the GPU, if there is one.

    Raises:
        ValueError: If the encoder is none, or does not take such data.
        DataError: If data cannot be read; none is left out in silence.
    """
    require_encoder(encoder)
    if batch_size < 1:
        raise ValueError(f"batch_size must be 1 or more, got {batch_size}")
    extract = FeatureExtractor(encoder=encoder, pool=pool, device=chosen_device(device))
    if isinstance(data, Tensor | np.ndarray):
        tensor = _in_float32(data)
        _warn_of_unit(tensor, encoder)
        found = extract.in_batches(tensor, batch_size=batch_size)
        none = np.full(len(found), "")
        return Embedded(found, np.arange(len(found)).astype(np.str_), none, none)
    samples = samples_of(data, encoder, split=split)
    features = _read(extract, samples, batch_size=batch_size, workers=workers)
    abouts = [samples.describe(number) for number in range(len(samples))]
    return Embedded(
        features,
        np.array([about.case for about in abouts], dtype=np.str_),
        samples.subjects,
        np.array([about.label or "" for about in abouts], dtype=np.str_),
    )


def chosen_device(wanted: torch.device | str | None) -> torch.device | str:
    """What a user names, or the GPU if there is one.

    Raises:
        DataError: If there is no such device here.
    """
    if wanted is None:
        return "cuda" if torch.cuda.is_available() else "cpu"
    require_device(str(wanted))
    return wanted


def require_encoder(encoder: object) -> None:
    """Refuses what is no encoder, such as a method around one.

    Raises:
        ValueError: With what to give.
    """
    if not isinstance(encoder, Encoder):
        raise ValueError(
            f"encoder is a {type(encoder).__name__}, which gives no features: medmae.load_encoder(path), or "
            "method.encoder of a method"
        )


def _in_float32(data: Tensor | np.ndarray) -> Tensor:
    """Whole numbers stay what they are, for an encoder to refuse: nobody knows what their unit is.

    Raises:
        ValueError: If it holds no numbers, no sample, or NaN or infinity.
    """
    if isinstance(data, np.ndarray) and data.dtype.kind not in "biuf":
        raise ValueError(f"data must hold real numbers, got an array of {data.dtype}")
    tensor = torch.as_tensor(data)
    if tensor.is_complex():
        raise ValueError(f"data must hold real numbers, got a tensor of {tensor.dtype}")
    if not tensor.ndim or not tensor.numel():
        raise ValueError(f"data must hold samples (N, C, *size), got the shape {tuple(tensor.shape)}")
    if not tensor.is_floating_point():
        return tensor
    if bad := [number for number, sample in enumerate(tensor) if not sample.isfinite().all()]:
        raise ValueError(f"data holds NaN or infinity, in {len(bad)} of {len(tensor)} samples (the first is {bad[0]})")
    return tensor.float()


def _warn_of_unit(data: Tensor, encoder: Encoder) -> None:
    """Says so where values are so far from those that the encoder takes that they are of another unit: bytes, say."""
    peaks = {kind.peak for kind in encoder.kinds.values() if kind.peak is not None}
    if len(peaks) == 1 and data.is_floating_point():
        (peak,), low, high = peaks, float(data.min()), float(data.max())
        if high > 2 * peak or low < -peak:
            warnings.warn(
                f"data goes from {low:g} to {high:g}, and the encoder takes [0, {peak:g}]: bring it there, or its "
                "features mean nothing",
                stacklevel=4,
            )


def _read(extract: FeatureExtractor, samples: Samples, *, batch_size: int, workers: int) -> np.ndarray:
    lost: dict[int, str] = {}
    read = each_batch(samples, device=extract.device, batch_size=batch_size, workers=workers, left_out=lost)
    parts = [extract.of_batch(batch).cpu() for _, batch in read]
    if lost:
        raise DataError(
            f"{len(lost)} of {len(samples)} samples cannot be read: {next(iter(lost.values()))}",
            path=samples.source.path,
            remedy="mend or remove them; `medmae run ... inference` leaves such out and lists them",
        )
    return torch.cat(parts).numpy()
