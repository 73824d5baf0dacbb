"""What samples a source gives and what one looks like: a view, of which every kind of data has its own."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar, runtime_checkable

import numpy as np
from torch import Tensor

from medmae.data.labels import Labels
from medmae.data.source import Source
from medmae.kinds import Kind

S = TypeVar("S", bound=Source)


@dataclass(frozen=True, slots=True)
class Item:
    """Which sample is meant.

    Attributes:
        numbers: Its row of what :meth:`View.items` gave; the first is its unit's.
        index: Its place in the data set.
        epoch: For views that draw anew in each.
    """

    numbers: Sequence[int]
    index: int
    epoch: int


@dataclass(frozen=True, eq=False)
class About(Mapping[str, str | int]):
    """Whose sample it is, for tables and pictures; also a mapping of what is known.

    Attributes:
        case: Name of its unit.
        subject: Whose.
        contrast: Of an MR image.
        label: Its class.
        place: What else tells it from others of its case: ``slice``; ``x`` and ``y``; ``tile``; ``time``.
    """

    case: str
    subject: str
    contrast: str | None = None
    label: str | None = None
    place: Mapping[str, str | int] = field(default_factory=dict)

    def __getitem__(self, key: str) -> str | int:
        return self._known[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._known)

    def __len__(self) -> int:
        return len(self._known)

    @property
    def _known(self) -> dict[str, str | int]:
        named = {"case": self.case, "subject": self.subject, "contrast": self.contrast, "label": self.label}
        return {key: value for key, value in named.items() if value is not None} | dict(self.place)


class View(ABC, Generic[S]):
    """Options of how samples are made of a source: a dataclass, whose fields are all that a sample depends on."""

    noun = "sample"  # what one is called in messages
    repeats = 1  # how often an epoch draws what one is made of

    @abstractmethod
    def open(self, source: Source | str | Path) -> S:
        """The source as this view needs it, read if it is a path.

        Raises:
            DataError: If it is of other things.
        """

    @abstractmethod
    def items(self, source: S, places: Sequence[int]) -> np.ndarray:
        """All samples of some units, in order: whole numbers ``(N, K)``, the unit's first.

        One array rather than objects, so that forked workers share its pages.
        """

    @abstractmethod
    def read(self, source: S, item: Item) -> dict[str, Tensor]:
        """Tensors of one sample by name."""

    @abstractmethod
    def describe(self, source: S, item: Item) -> About:
        """Whose it is."""

    @abstractmethod
    def kinds(self, source: S) -> dict[str, Kind]:
        """What the tensors of a sample are, by name."""

    def labels(self, source: S, items: np.ndarray) -> Labels | None:
        """Of the samples of these items ``(N, K)``; None where there is nothing to be learnt by name."""

    def remedy(self, source: S, places: Sequence[int]) -> str:
        """What to do if these units give no sample."""
        return "prepare more subjects, or choose another split, other classes or other options of the view"

    @property
    def options(self) -> dict[str, Any]:
        """Its name and fields, as JSON can hold them."""
        found: dict[str, Any] = plain(self)
        return found


@runtime_checkable
class Keepable(Protocol):
    """A view whose samples can be kept in memory once they were read."""

    @property
    def kept_shape(self) -> tuple[int, ...]:
        """Shape of every sample.

        Raises:
            ValueError: If they differ.
        """

    def raw(self, source: Any, item: Item) -> Tensor:  # noqa: ANN401 - its own
        """A sample as it is read."""

    def finish(self, raw: Tensor) -> dict[str, Tensor]:
        """What :meth:`View.read` gives, of a sample as it was read or kept."""


def plain(value: Any) -> Any:  # noqa: ANN401
    """Options as JSON can hold them: an object becomes its class's name and its public attributes."""
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, Mapping):
        return {str(key): plain(own) for key, own in value.items()}
    if isinstance(value, Sequence):
        return [plain(own) for own in value]
    if hasattr(value, "__qualname__"):
        return f"{value.__module__}.{value.__qualname__}"
    names = [own.name for own in fields(value)] if is_dataclass(value) else vars(value)
    return {"class": type(value).__name__} | {
        name: plain(getattr(value, name)) for name in names if not name.startswith("_")
    }
