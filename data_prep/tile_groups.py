"""Which tiles share a shard and a split: those of one patient, or of one slide, or at worst each image by itself."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from data_prep.outcome import NO_PATIENT
from medmae.data.images.folders import ImageFile
from medmae.data.names import file_name_of
from medmae.data.splits import check_disjoint, completed
from medmae.errors import DataError

_CHUNK = 2048  # images a shard where nothing else groups them


@dataclass(frozen=True, kw_only=True)
class Group:
    """The tiles of one shard.

    Args:
        case: Name of the shard.
        subject: Patient; the slide or the shard itself where none is known.
        split: Theirs.
        images: Sorted by name.
        flags: For the manifest.
    """

    case: str
    subject: str
    split: str
    images: tuple[ImageFile, ...]
    flags: tuple[str, ...] = ()
    session: str | None = None

    @property
    def known(self) -> bool:
        """Whether its patient is known."""
        return NO_PATIENT not in self.flags

    @property
    def files(self) -> tuple[Path, ...]:
        """Of the images."""
        return tuple(image.path for image in self.images)

    @property
    def content(self) -> str:
        """How many images of which classes."""
        classes = sorted({image.label for image in self.images if image.label})
        return " ".join([f"{len(self.images)} images", *classes])


def grouped(
    files: Sequence[ImageFile], given: Mapping[str, str] | None, *, fractions: tuple[float, float, float], seed: int
) -> list[Group]:
    """Groups tiles and assigns splits.

    Args:
        files: Sorted by name; all of them have a patient or none, likewise slide and split.
        given: Split of each patient from a file, if there is one.
        fractions: Shares of train, val, test in a drawn split.
        seed: Of the draw.

    Raises:
        DataError: A patient in two folders of splits; a split file where no patient is known, or beside such folders.
    """
    if files[0].patient is None and files[0].slide is None:
        if given is not None:
            raise DataError(
                "a split by patient needs patients",
                field="--split",
                remedy="name them: --subject-from, or a CSV with path,label,patient",
            )
        return _by_image(files, fractions=fractions, seed=seed)
    return _by_subject(files, given, fractions=fractions, seed=seed)


def _by_subject(
    files: Sequence[ImageFile], given: Mapping[str, str] | None, *, fractions: tuple[float, float, float], seed: int
) -> list[Group]:
    of: dict[str, list[ImageFile]] = defaultdict(list)
    for file in files:
        of[file.patient or file.slide or ""].append(file)
    own = {subject: some[0].split for subject, some in of.items()}
    check_disjoint([(subject, file.split) for subject, some in of.items() for file in some if file.split])
    if given is not None and files[0].split is not None:
        raise DataError(
            "the folders (or the table) and --split both say who is in which split", field="--split", remedy="drop one"
        )
    split = given or completed(own, fractions=fractions, seed=seed)
    flags = () if files[0].patient else (NO_PATIENT, "subject_is_slide")
    return [
        Group(case=file_name_of(subject), subject=subject, split=split[subject], images=tuple(some), flags=flags)
        for subject, some in sorted(of.items())
    ]


def _by_image(files: Sequence[ImageFile], *, fractions: tuple[float, float, float], seed: int) -> list[Group]:
    shelves: dict[tuple[str, str], list[ImageFile]] = defaultdict(list)
    classes: dict[str, list[ImageFile]] = defaultdict(list)
    for file in files:
        classes[file.label or ""].append(file)
    for label, some in sorted(classes.items()):  # each class by itself, so that all splits have all
        of = completed({file.name: file.split for file in some}, fractions=fractions, seed=seed)
        for file in some:
            shelves[of[file.name], label].append(file)
    groups = []
    for (split, label), some in sorted(shelves.items()):
        for start in range(0, len(some), _CHUNK):
            case = file_name_of("_".join(filter(None, (split, label, f"{start // _CHUNK:04d}"))))
            chunk = tuple(some[start : start + _CHUNK])
            groups.append(
                Group(case=case, subject=case, split=split, images=chunk, flags=(NO_PATIENT, "split_by_image"))
            )
    return groups
