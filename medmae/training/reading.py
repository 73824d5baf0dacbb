"""Reading one sample of an epoch, and what is done when it cannot be read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

from torch.utils.data import Dataset, default_collate

from medmae.errors import DataError, MachineError, naming_machine_faults
from medmae.training.randomness import seeded
from medmae.training.sampler import SeededSampler

Key = tuple[int, int]  # epoch, place in its order
Failure = tuple[int, str]  # index, reason
Item = TypeVar("Item")
Given = TypeVar("Given", covariant=True)


class Items(Protocol[Given]):
    """Things that are read one at a time, and may fail to be."""

    def __len__(self) -> int:
        """How many."""

    def __getitem__(self, index: int) -> Given:
        """Reads one."""


def attempt(read: Callable[[int], Item], index: int) -> tuple[Item | None, str | None]:
    """What ``read`` gives of a number, or why it cannot be read: the one rule of what counts as that.

    Raises:
        MachineError: If the machine is short of something: no sample is at fault, and none is to be left out for it.
    """
    try:
        with naming_machine_faults():
            return read(index), None
    except MachineError:
        raise
    except (DataError, OSError, EOFError) as error:
        return None, str(error) or type(error).__name__


class Reader(Dataset[tuple[Any, list[Failure]]]):
    """Samples by (epoch, place in that epoch's order); what a sample draws is a function of (seed, epoch, index).

    A sample that cannot be read is replaced by the next of the same order, so that a restart replaces it alike.

    Args:
        dataset: Gives the samples. Its ``set_epoch`` is called if it has one.
        sampler: Knows the order.
        tries: How many samples in a row may be unreadable.
    """

    def __init__(self, dataset: Dataset[Any], *, sampler: SeededSampler, tries: int = 10) -> None:
        self.dataset, self.sampler, self.tries = dataset, sampler, tries
        self._epoch = -1
        self._order = sampler.order(0)[:0]

    def __getitem__(self, key: Key) -> tuple[Any, list[Failure]]:
        epoch, place = key
        if not self.sampler.shuffle:
            epoch = 0  # what is read from first to last, for validation, is to be the same every time
        self._move_to(epoch)
        failures: list[Failure] = []
        for offset in range(min(self.tries, len(self._order))):
            index = int(self._order[(place + offset) % len(self._order)])
            with seeded(self.sampler.seed, epoch, index):
                sample, reason = attempt(self.dataset.__getitem__, index)
            if reason is None:
                return sample, failures
            failures.append((index, reason))
        return None, failures

    def _move_to(self, epoch: int) -> None:
        if epoch == self._epoch:
            return
        if hasattr(self.dataset, "set_epoch"):
            self.dataset.set_epoch(epoch)
        self._epoch, self._order = epoch, self.sampler.order(epoch)


def collate(samples: Sequence[tuple[Any, list[Failure]]]) -> tuple[Any, list[Failure]]:
    """A batch, and what could not be read for it; the batch is None if a place found no replacement."""
    data = [sample for sample, _ in samples]
    failures = [failure for _, some in samples for failure in some]
    return (None if any(sample is None for sample in data) else default_collate(data)), failures


def name_of(dataset: object, index: int) -> str:
    """A sample's number, and case, contrast and slice where the data set can tell."""
    try:
        known = dataset.describe(index)  # type: ignore[attr-defined]
    except (AttributeError, ValueError, OSError):
        return str(index)
    return f"{index} ({', '.join(f'{name} {value}' for name, value in known.items())})"
