"""The one loop by which samples are evaluated, and the one rule for those that cannot be read."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from rich.progress import track
from torch import Tensor
from torch.utils.data import ConcatDataset, DataLoader, Dataset, Subset, default_collate

from medmae.tokens.modalities import THERE
from medmae.training.reading import Items, attempt, name_of

Batch = Mapping[str, Tensor]
_Read = tuple[int, Any, str | None]  # number, sample, why it cannot be read


def each_batch(
    samples: Items[Mapping[str, Any]],
    *,
    numbers: Sequence[int] | None = None,
    device: torch.device | str = "cpu",
    batch_size: int = 64,
    workers: int = 0,
    left_out: dict[int, str] | None = None,
    description: str | None = None,
) -> Iterator[tuple[list[int], Batch]]:
    """Goes over samples in order; those that cannot be read are warned of and left out, never replaced.

    Training replaces a sample that it cannot read by another one; figures and tables must not.

    Args:
        samples: Give mappings of tensors and numbers, each alike.
        numbers: Which, in which order; None takes all.
        device: Where tensors go.
        batch_size: Samples at once; a batch with samples that cannot be read is smaller. Of samples of several views
            fewer, so that no more views come at once.
        workers: Processes that read.
        left_out: Receives why a sample was left out, by its number.
        description: Of a progress bar; None shows none.

    Yields:
        The numbers of those that could be read, and a batch of their tensors.
    """
    chosen = range(len(samples)) if numbers is None else numbers
    loader = DataLoader(
        _Tried(samples, chosen),
        batch_size=max(1, batch_size // _views_of(samples)),
        num_workers=workers,
        collate_fn=list,
        generator=torch.Generator(),  # else torch's own would be drawn from
    )
    for tried in track(loader, description=description or "", transient=True, disable=description is None):
        for number, _, reason in tried:
            if reason is not None:
                warnings.warn(f"sample {name_of(samples, number)} is left out: {reason}", stacklevel=2)
                if left_out is not None:
                    left_out[number] = reason
        found = {number: sample for number, sample, reason in tried if reason is None}
        if found:
            batch = default_collate(list(found.values()))
            yield list(found), {name: value.to(device) for name, value in batch.items() if isinstance(value, Tensor)}


def over_views(batch: Batch, of: Callable[[Tensor], Tensor], *, name: str) -> Tensor:
    """What ``of`` gives for data of one name, ``(B, K)``; the mean over the views of a sample where it has several.

    A sample of several views, such as clips from several places of a video, has ``(views, C, *size)`` and says how many
    ``views``.

    Raises:
        ValueError: If samples have no such data.
    """
    return over_views_of_kinds(batch, lambda data: of(data[name]), names=[name])


def over_views_of_kinds(batch: Batch, of: Callable[[Batch], Tensor], *, names: Sequence[str]) -> Tensor:
    """The same of several kinds of data at once, which come by name, with what is said of who has which.

    Raises:
        ValueError: If samples have no such data.
    """
    if missing := [name for name in names if name not in batch]:
        raise ValueError(f"{missing[0]!r} is taken, and samples have {', '.join(map(repr, batch))}")
    data = {name: batch[name] for name in (*names, *(name + THERE for name in names)) if name in batch}
    if "views" not in batch:
        return of(data)
    views = int(batch["views"][0])
    flat = {name: value.flatten(0, 1) for name, value in data.items()}
    return of(flat).unflatten(0, (-1, views)).mean(dim=1)


def _views_of(samples: object) -> int:
    """Views of a sample; of several data sets those of the one that has most."""
    if isinstance(samples, ConcatDataset):
        return max(map(_views_of, samples.datasets))
    return _views_of(samples.dataset) if isinstance(samples, Subset) else int(getattr(samples, "views", 1))


class _Tried(Dataset[_Read]):
    """Samples, or why they cannot be read."""

    def __init__(self, samples: Items[Mapping[str, Any]], numbers: Sequence[int]) -> None:
        self.samples, self.numbers = samples, numbers

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, place: int) -> _Read:
        number = int(self.numbers[place])
        return number, *attempt(self.samples.__getitem__, number)
