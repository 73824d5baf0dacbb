"""Batches of those samples that can be read; the others are warned of and left out, not replaced."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

from torch.utils.data import DataLoader, Dataset, default_collate

from medmae.training.reading import UNREADABLE, Failure, name_of


class ReadableBatches:
    """Goes through a data set in order, each time it is iterated over; worker processes may read.

    Training replaces a sample that it cannot read by another one; figures and tables must not.

    Args:
        dataset: Gives mappings of tensors and numbers.
        batch_size: Samples at once; batches with samples that cannot be read are smaller.
        num_workers: Processes that read.
    """

    def __init__(self, dataset: Dataset[Any], *, batch_size: int, num_workers: int = 0) -> None:
        self.dataset = dataset
        self._loader = DataLoader(
            _Tried(dataset), batch_size=batch_size, num_workers=num_workers, collate_fn=_collate_readable
        )
        self.reasons: dict[int, str] = {}  # why a sample was left out, by its number

    def __len__(self) -> int:
        return len(self._loader)

    def __iter__(self) -> Iterator[Any]:
        for batch, failures in self._loader:
            for index, reason in failures:
                warnings.warn(f"sample {name_of(self.dataset, index)} is left out: {reason}", stacklevel=2)
                self.reasons[index] = reason
            if batch is not None:
                yield batch


class _Tried(Dataset[tuple[Any, list[Failure]]]):
    """Samples, or why they cannot be read."""

    def __init__(self, dataset: Dataset[Any]) -> None:
        self.dataset = dataset

    def __len__(self) -> int:
        return len(self.dataset)  # type: ignore[arg-type]

    def __getitem__(self, index: int) -> tuple[Any, list[Failure]]:
        try:
            return self.dataset[index], []
        except UNREADABLE as error:
            return None, [(index, f"{type(error).__name__}: {error}")]


def _collate_readable(samples: list[tuple[Any, list[Failure]]]) -> tuple[Any, list[Failure]]:
    """A batch of what could be read, None if nothing could; and what could not."""
    data = [sample for sample, failures in samples if not failures]
    return default_collate(data) if data else None, [failure for _, some in samples for failure in some]
