"""One subject in one session: its images and label maps."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

from medmae.data.names import file_name_of
from medmae.data.volumes.volume_file import Source
from medmae.errors import DataError

REMEDY = "name the files in a CSV: subject,session,contrast,path[,series], series being a DICOM SeriesInstanceUID"


@dataclass(frozen=True)
class Lost:
    """A volume that cannot be used, as shows before it is read.

    Args:
        name: Contrast, or the label's name.
        error: Why.
        label: Whether it is a label map.
    """

    name: str
    error: DataError
    label: bool = False


@dataclass
class Case:
    """One subject in one session.

    Args:
        subject: ID of the patient: what splits go by.
        session: ID of the visit, if any.
        contrasts: Sorted by name; one source a contrast, once :func:`medmae.data.volumes.claims.settled`.
        labels: Masks and label maps.
        lost: What belongs to the case and cannot be used; the rest of it can.
    """

    subject: str
    session: str | None
    contrasts: list[Source] = field(default_factory=list)
    labels: list[Source] = field(default_factory=list)
    lost: list[Lost] = field(default_factory=list)

    @property
    def known(self) -> bool:
        """Whether the patient is known: names tell it, or the search refuses them."""
        return True

    @property
    def case(self) -> str:
        """Name of the case and of its files."""
        return file_name_of(self.subject if self.session is None else f"{self.subject}_{self.session}")

    @property
    def fault(self) -> DataError | None:
        """Why nothing of the case can be used, if that shows before reading."""
        return self.lost[0].error if self.lost and not self.contrasts else None

    @property
    def files(self) -> tuple[Path, ...]:
        """All files of the case."""
        sources = (*self.contrasts, *self.labels)
        return tuple(file for source in sources for file in (source.files or (source.path,)))

    @property
    def content(self) -> str:
        """Contrasts, then label maps in brackets, then what cannot be used."""
        there = [*(one.name for one in self.contrasts), *(f"[{one.name}]" for one in self.labels)]
        return " ".join([*there, *(f"({flag})" for flag in self.flags)])

    @property
    def flags(self) -> list[str]:
        """What a user should know of what is missing."""
        there = {one.name for one in (*self.contrasts, *self.labels)}
        return list(dict.fromkeys(f"without:{one.name}" for one in self.lost if one.name not in there))

    def only(
        self, *, contrasts: frozenset[str] | None, labels: frozenset[str] | None
    ) -> tuple[Case, tuple[Source, ...], tuple[Source, ...]]:
        """The case with some of its volumes, and the images and label maps that nobody wants.

        Args:
            contrasts: Those that are wanted; None takes all.
            labels: The same of label maps.
        """

        def wanted(name: str, *, label: bool) -> bool:
            names = labels if label else contrasts
            return names is None or name in names

        images = [one for one in self.contrasts if wanted(one.name, label=False)]
        maps = [one for one in self.labels if wanted(one.name, label=True)]
        lost = [one for one in self.lost if wanted(one.name, label=one.label)]
        return (
            replace(self, contrasts=images, labels=maps, lost=lost),
            tuple(one for one in self.contrasts if one not in images),
            tuple(one for one in self.labels if one not in maps),
        )

    def add(self, source: Source, *, label: bool) -> None:
        """Adds a source, sorted by name and file."""
        shelf = self.labels if label else self.contrasts
        shelf.append(source)
        shelf.sort(key=lambda other: (other.name, other.first))
