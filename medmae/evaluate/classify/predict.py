"""What a network predicts of samples; several views of one are predicted together."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from medmae.errors import DataError
from medmae.evaluate.batches import each_batch, over_views, over_views_of_kinds
from medmae.training.reading import Items

Link = Callable[[Tensor], Tensor]


def probabilities(logits: Tensor) -> Tensor:
    """Of classes that exclude each other: ``(B, K)`` -> ``(B, K)``."""
    return logits.softmax(dim=1)


@torch.no_grad()
def each_prediction(
    network: nn.Module,
    samples: Items[Mapping[str, Any]],
    *,
    name: str | Sequence[str],
    link: Link = probabilities,
    numbers: Sequence[int] | None = None,
    device: torch.device | str = "cpu",
    batch_size: int = 64,
    workers: int = 0,
    left_out: dict[int, str] | None = None,
    description: str | None = None,
) -> Iterator[tuple[list[int], Tensor]]:
    """Predictions, batch by batch; see :func:`medmae.evaluate.batches.each_batch`.

    What is predicted of several views of a sample is averaged; see :func:`medmae.evaluate.batches.over_views`.

    Args:
        network: Data ``(B, C, *size)``, or several kinds by name, -> ``(B, K)``; put to evaluation mode and ``device``.
        samples: Items with data of the name.
        name: Of the kind of data that the network takes, such as ``image``; names, if it takes them by name.
        link: From the network's outputs to predictions, before views are averaged.
        numbers: As the others, see there.
        device: Where to compute.
        batch_size: Samples at once.
        workers: Processes that read.
        left_out: Receives why a sample was left out.
        description: Of a progress bar.

    Yields:
        Numbers of the samples, and predictions ``(B, K)`` float32 on the CPU.
    """
    network.to(device).eval()
    for found, batch in each_batch(
        samples,
        numbers=numbers,
        device=device,
        batch_size=batch_size,
        workers=workers,
        left_out=left_out,
        description=description,
    ):
        if isinstance(name, str):
            yield found, over_views(batch, lambda data: link(network(data).float().cpu()), name=name)
        else:
            yield found, over_views_of_kinds(batch, lambda data: link(network(data).float().cpu()), names=name)


def predict(
    network: nn.Module,
    samples: Items[Mapping[str, Any]],
    numbers: Sequence[int],
    *,
    name: str | Sequence[str],
    link: Link = probabilities,
    device: torch.device | str = "cpu",
    batch_size: int = 64,
) -> np.ndarray:
    """Predictions ``(N, K)`` of samples that were read before; see :func:`each_prediction`.

    Raises:
        DataError: If one cannot be read any more: every classifier is to be tested on the same samples.
    """
    lost: dict[int, str] = {}
    parts = [
        said
        for _, said in each_prediction(
            network,
            samples,
            name=name,
            link=link,
            numbers=numbers,
            device=device,
            batch_size=batch_size,
            left_out=lost,
        )
    ]
    if lost:
        reason = next(iter(lost.values()))
        raise DataError(f"{len(lost)} samples could be read before, and not any more: {reason}", remedy="run it again")
    return torch.cat(parts).numpy()
