"""One subject in one session: its images and label maps."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

from medmae.data.names import file_name_of
from medmae.data.volumes.volume_file import Source
from medmae.errors import DataError

REMEDY = "name the files in a CSV: subject,session,contrast,path[,series], series being a DICOM SeriesInstanceUID"


@dataclass
class Case:
    """One subject in one session.

    Args:
        subject: ID of the patient: what splits go by.
        session: ID of the visit, if any.
        contrasts: One source a contrast, sorted by name.
        labels: Masks and label maps.
        fault: Why the case cannot be prepared, if that shows before reading.
    """

    subject: str
    session: str | None
    contrasts: list[Source] = field(default_factory=list)
    labels: list[Source] = field(default_factory=list)
    fault: DataError | None = None

    @property
    def case(self) -> str:
        """Name of the case and of its files."""
        return file_name_of(self.subject if self.session is None else f"{self.subject}_{self.session}")

    @property
    def files(self) -> tuple[Path, ...]:
        """All files of the case."""
        sources = (*self.contrasts, *self.labels)
        return tuple(file for source in sources for file in (source.files or (source.path,)))

    @property
    def content(self) -> str:
        """Contrasts, then label maps in brackets."""
        return " ".join([*(one.name for one in self.contrasts), *(f"[{one.name}]" for one in self.labels)])

    def only(self, *, contrasts: frozenset[str] | None, labels: frozenset[str] | None) -> Case:
        """The case with some of its volumes; a fault of those that nobody wants is none."""
        wanted = (contrasts, labels)
        images, maps = (
            [one for one in some if names is None or one.name in names]
            for some, names in zip((self.contrasts, self.labels), wanted, strict=True)
        )
        fault = self.fault
        if fault is not None and fault.field == "contrast" and None not in wanted:
            fault = fault if fault.value in {one.name for one in (*images, *maps)} else None
        elif fault is not None and fault.field == "contrast" and contrasts is not None:
            fault = fault if fault.value in {*contrasts, *(one.name for one in self.labels)} else None
        return replace(self, contrasts=images, labels=maps, fault=fault)

    def add(self, source: Source, *, label: bool) -> None:
        """Adds a source; a second one for the same contrast is a fault of the case, not a choice of ours."""
        shelf = self.labels if label else self.contrasts
        twin = next((other for other in shelf if other.name == source.name), None)
        if twin is None:
            shelf.append(source)
            shelf.sort(key=lambda other: other.name)
        elif self.fault is None:
            self.fault = DataError(
                f"two files claim to be {source.name}: {twin.first.name} and {source.first.name}",
                path=source.first,
                field="contrast",
                value=source.name,
                remedy=REMEDY,
            )
