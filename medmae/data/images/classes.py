"""What folders and names of images say besides classes: splits, patients, masks, and one class in two spellings."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

from medmae.errors import DataError

MASK = "a mask of the image beside it, by its name"
_SPLIT = re.compile(
    r"(?:train(?:ing)?|test(?:ing)?|val(?:id(?:ation)?)?|dev|eval(?:uation)?|hold[-_ ]?out)"
    r"(?:[-_ ]?(?:set|data|imgs?|images?|dir|split|folder))?[-_ ]?\d*|(?:fold|split|cv)[-_ ]?\d+",
    re.IGNORECASE,
)
_MASKS = re.compile(
    r"(?:seg(?:mentation)?[-_ ]?)?masks?|segmentations?|annotations?|labels?|ground[-_ ]?truth|gt", re.IGNORECASE
)
_OF_MASK = re.compile(
    r"(?P<image>.+?)[-_ .]+(?:(?:seg(?:mentation)?|lesion|tumou?r|binary)[-_ ]?)?"
    r"(?:masks?|seg|segmentation|gt|groundtruth|annotation)(?:[-_ ]?\d{1,2})?",
    re.IGNORECASE,
)


def check_classes(classes: Iterable[str | None], path: Path) -> None:
    """Refuses classes that differ only in case, outer blanks, Unicode form, or ``-``, ``_`` and blanks within.

    Raises:
        DataError: With two such names.
    """
    written: dict[str, set[str]] = defaultdict(set)
    for name in {one for one in classes if one is not None}:
        plain = unicodedata.normalize("NFKC", name).strip().casefold()
        written[re.sub(r"(?<=\w)[-_\s]+(?=\w)", " ", plain)].add(name)
    twins = [sorted(some) for some in written.values() if len(some) > 1]
    if twins:
        shown = " = ".join(map(repr, twins[0]))
        why = "names of classes differ only in case, blanks or - and _"
        raise DataError(why, path=path, field="label", value=shown, remedy="give each class one name")


def refuse_splits(folders: Sequence[Path], root: Path) -> None:
    """Refuses folders that stand where classes do and are called as splits.

    Raises:
        DataError: With their names.
    """
    names = [folder.name for folder in folders]
    if len(names) > 1 and all(map(_SPLIT.fullmatch, names)):
        raise DataError(
            "folders are called as splits, and stand where classes do",
            path=root,
            field="folders",
            value=names[:5],
            remedy="call them train, val and test, or name classes and splits in a CSV: path,label,split",
        )


def masks_among(folders: Iterable[Collection[Path]]) -> set[Path]:
    """Images that are masks of others: ``a_mask.png`` beside ``a.png``, ``masks/a.png`` beside ``images/a.png``.

    Args:
        folders: The images of each folder; those of one that is called as masks are, and that hold nothing but names
            that its sisters have, are their masks.
    """
    shelves = [some for some in folders if some]
    stems = [{path.stem for path in some} for some in shelves]
    found: set[Path] = set()
    for place, some in enumerate(shelves):
        others = set().union(*(own for other, own in enumerate(stems) if other != place))
        if _MASKS.fullmatch(next(iter(some)).parent.name) and stems[place] <= others:
            found |= set(some)
        matches = {path: _OF_MASK.fullmatch(path.stem) for path in some}
        found |= {path for path, match in matches.items() if match and match["image"] in stems[place]}
    return found
