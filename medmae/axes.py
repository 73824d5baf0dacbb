"""What runs along an axis of a tensor, and where its entries lie: seconds, hertz, or nothing that is measured."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from medmae.errors import check_choice

Role = Literal["time", "depth", "row", "column", "frequency", "joint", "point", "word"]
Spacing = Literal["linear", "mel"]

_NUMBERED = ("joint", "point", "word")  # neighbouring numbers along these mean nothing


@dataclass(frozen=True)
class Axis:
    """One axis of a tensor behind batch and channels.

    Attributes:
        role: What runs along it.
        unit: Of its places, ``s`` or ``Hz``; empty where they are not known.
        start: Where the middle of the first entry lies; in mel, where the spacing is.
        step: From one entry to the next, positive; likewise.
        spacing: Whether entries are evenly spaced in the unit, or (frequencies) in mel by HTK's formula.
        links: Pairs of numbers of joints between which there is a bone: child and parent.

    Raises:
        ValueError: If a word is not known, a number is not finite, places are said without a unit, or links of what has
            no joints.
    """

    role: Role
    unit: str = ""
    start: float = 0.0
    step: float = 1.0
    spacing: Spacing = "linear"
    links: tuple[tuple[int, int], ...] = ()

    def __post_init__(self) -> None:
        check_choice(self.role, get_args(Role), name="role")
        check_choice(self.spacing, get_args(Spacing), name="spacing")
        if not (math.isfinite(self.start) and 0 < self.step < math.inf):
            raise ValueError(f"an axis needs a start and a positive step, got {self.start} and {self.step}")
        if not self.unit and (self.start, self.step, self.spacing) != (0.0, 1.0, "linear"):
            raise ValueError(f"places along {self.role} are said without their unit: say unit='s' or 'Hz'")
        object.__setattr__(self, "links", tuple((int(child), int(parent)) for child, parent in self.links))
        if self.links and self.role != "joint":
            raise ValueError(f"bones link joints, and this is an axis of {self.role}")

    @property
    def smooth(self) -> bool:
        """Whether neighbours along it resemble each other, so that a hole may be filled from its sides."""
        return self.role not in _NUMBERED

    def place(self, index: float) -> float:
        """Where the middle of an entry lies, in the unit."""
        value = self.start + index * self.step
        return value if self.spacing == "linear" else hertz(value)

    def index(self, place: float) -> float:
        """The inverse of :meth:`place`; between two entries a fraction."""
        value = place if self.spacing == "linear" else mel(place)
        return (value - self.start) / self.step

    def as_json(self) -> str | dict[str, Any]:
        """For JSON: its role alone where nothing is measured along it."""
        if self.links:
            return {"role": self.role, "links": [list(link) for link in self.links]}
        if not self.unit:
            return self.role
        return {
            "role": self.role,
            "unit": self.unit,
            "start": self.start,
            "step": self.step,
            "spacing": self.spacing,
        }

    @classmethod
    def of(cls, value: Axis | Role | Mapping[str, Any]) -> Axis:
        """An axis as it is, of a role, or what :meth:`as_json` gave."""
        if isinstance(value, Axis):
            return value
        return cls(value) if isinstance(value, str) else cls(**value)


def mel(frequency: float) -> float:
    """Of a frequency in Hz, by HTK's formula."""
    return 1127.0 * math.log1p(frequency / 700.0)


def hertz(value: float) -> float:
    """The inverse of :func:`mel`."""
    return 700.0 * math.expm1(value / 1127.0)
