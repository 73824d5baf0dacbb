"""Folders that stand where those of classes do, and may be patients' or visits': a leak that looks like a label."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable

from medmae.data.identity.doubts import Choice, Doubt
from medmae.data.identity.words import Role, role_of

_COUNTED = re.compile(r"[^\W\d_]*[-_. ]*\d+")  # img_0012, 7: a count, and nobody's name
_EACH = r"^(.+/.+)$"  # the whole path
_AS_PATIENTS = "folders of classes are called as patients are"


def patients_as_classes(classes: Collection[str], images: int) -> list[Doubt]:
    """The doubt about class folders that are called as patients are: ``P001, P002``.

    Args:
        classes: Their names.
        images: How many images there are.
    """
    if not _called_as_patients(classes):
        return []
    readings = (Choice(len(classes), "one a folder", r"([^/]+)/[^/]+$"), Choice(images, "one an image", _EACH))
    return [Doubt("level", _AS_PATIENTS, ", ".join(sorted(classes)[:3]), readings)]


def doubts_of_classes(paths: Iterable[str], *, above: int = 0) -> list[Doubt]:
    """Doubts about folders of classes that are called as patients are, or in several of which one name lies.

    ``P01/left, P02/left`` and ``001/rest, 002/rest`` are parts of patients; ``happy/anna, sad/anna`` may be one person.
    Names that only count (``benign/img_1, malignant/img_1``) say nothing.

    Args:
        paths: Of files below the source, without suffix.
        above: Folders above those of classes: 1 where these are of splits.
    """
    placed = [parts for path in paths if len(parts := path.split("/")[above:]) > 1]
    classes = sorted({parts[0] for parts in placed})
    inside: dict[str, set[str]] = defaultdict(set)
    for parts in placed:
        if len(parts) == 2 and not _COUNTED.fullmatch(parts[1]):
            inside[parts[1]].add(parts[0])
    shared = next((f"{name} in {', '.join(sorted(some)[:3])}" for name, some in inside.items() if len(some) > 1), "")
    folder = Choice(len(classes), "one a folder", rf"^(?:[^/]+/){{{above}}}([^/]+)/")
    each = Choice(len(placed), "one a file", _EACH)
    if _called_as_patients(classes):
        return [Doubt("level", _AS_PATIENTS, ", ".join(classes[:3]), (folder, each))]
    if shared and len({re.sub(r"\d+", "0", name) for name in classes}) == 1:
        return [Doubt("level", "folders of classes are numbered, and hold the same names", shared, (folder, each))]
    if shared:
        names = Choice(len({parts[-1] for parts in placed}), "one a name", r"([^/]+)$|/$")
        return [Doubt("parents", "one name lies in folders of several classes", shared, (names, each))]
    return []


def _called_as_patients(classes: Collection[str]) -> bool:
    return len(classes) > 1 and {role_of(name) for name in classes} <= {Role.STRONG, Role.WEAK}
