"""Names of patients that could be one patient's: refused with both readings and the option that chooses one."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from medmae.errors import DataError

TABLE = "--subjects TABLE (path,subject[,session])"
_Names = tuple[str, ...]
_GLUED = r"(?:v|t|tp|ses|visit|(?:re)?(?:scan|test)|mr|pre|post|fu|bl|baseline|followup|week|month|day)\d{0,4}|[A-Za-z]"


@dataclass(frozen=True)
class Choice:
    """One of two readings.

    Args:
        count: Subjects that it gives.
        text: What they are.
        pattern: Regular expression on paths that chooses it, if there is one.
    """

    count: int
    text: str
    pattern: str | None = None

    def __str__(self) -> str:
        return f"{self.count} subject{'' if self.count == 1 else 's'}, {self.text}"

    def checked(self, paths: Sequence[str]) -> Choice:
        """The same without the pattern if that does not give as many subjects on these paths."""
        found = [re.search(self.pattern, path) for path in paths] if self.pattern else []
        if found and all(found) and len({match[1] for match in found if match}) == self.count:
            return self
        return replace(self, pattern=None)


@dataclass(frozen=True)
class Doubt:
    """What could be read in two ways.

    Args:
        kind: Which rule found it: ``level`` of folders, ``spelling``, ``ending``, ``parents``, ``visits``, ``headers``.
        why: What makes it doubtful.
        shown: An example.
        readings: The two.
    """

    kind: str
    why: str
    shown: str
    readings: tuple[Choice, Choice]

    def __str__(self) -> str:
        """Both readings in words."""
        return f"{self.why} ({self.shown}): {self.readings[0]}, or {self.readings[1]}"

    @property
    def remedy(self) -> str:
        """The options that choose."""
        chosen = [f"--subject-from '{one.pattern}' for {one}" for one in self.readings if one.pattern]
        return "; ".join([*chosen, TABLE])


def checked(doubts: Iterable[Doubt], paths: Sequence[str]) -> list[Doubt]:
    """Doubts whose patterns give on these paths what they promise."""
    return [
        replace(doubt, readings=(doubt.readings[0].checked(paths), doubt.readings[1].checked(paths)))
        for doubt in doubts
    ]


def refuse(doubts: Collection[Doubt], *, path: object) -> None:
    """Refuses what is doubtful.

    Raises:
        DataError: With every doubt; the remedy is that of the first.
    """
    if doubts:
        first = next(iter(doubts))
        raise DataError(
            "it does not show who is one patient: " + "; also: ".join(dict.fromkeys(map(str, doubts))),
            path=str(path),
            field="subject",
            value=first.shown,
            remedy=first.remedy,
        )


def normalised(name: str) -> str:
    """A name without what people write now so, now so: case, blanks, padding, Unicode form, ``-`` and ``_``.

    >>> normalised("Sub-007 ") == normalised("sub_7"), normalised("p10") == normalised("p1")
    (True, False)
    """
    text = unicodedata.normalize("NFKC", name).casefold()
    return re.sub(r"[\W_]+", "", re.sub(r"(?<!\d)0+(?=\d)", "", text))


def alike(subjects: Iterable[str]) -> list[Doubt]:
    """Subjects whose names differ in nothing but spelling."""
    same: dict[str, set[str]] = defaultdict(set)
    for name in subjects:
        same[normalised(name)].add(name)
    twins = [sorted(some) for some in same.values() if len(some) > 1]
    return [
        Doubt(
            kind="spelling",
            why="names differ only in case, padding, blanks, Unicode form or - and _",
            shown=" = ".join(map(repr, some)),
            readings=(Choice(1, f"{some[0]}: give them one name"), Choice(len(some), "as they are written")),
        )
        for some in twins[:3]
    ]


def renamed(subjects: Iterable[str], depths: Mapping[str, int], *, digits: int = 3) -> list[Doubt]:
    """Subjects whose names differ only by a number or letter at the end, after a number that differs, too.

    Args:
        subjects: Names.
        depths: Place of names in their paths.
        digits: Most of a number that counts visits or images; longer ones name patients.
    """
    ending = rf"(?:[-_. ]+(?:\(?[A-Za-z]{{0,2}}\d{{1,{digits}}}\)?|[A-Za-z])|(?<=\d)(?:{_GLUED}))"
    tail = re.compile(rf"(?P<stem>.*?\d.*?){ending}")
    names = sorted(set(subjects))
    stems: dict[str, list[str]] = defaultdict(list)
    for name in names:
        match = tail.fullmatch(name)
        stems[match["stem"] if match else name].append(name)
    # One stem, or stems of the same digits (BraTS20_Training, BraTS20_Validation), only count patients.
    if len({tuple(re.findall(r"\d+", stem)) for stem in stems}) < 2:
        return []
    several = [some for stem, some in sorted(stems.items()) if len(some) > 1 and re.search(r"\d", stem)]
    if not several:
        return []
    shown = max(several, key=len)
    before = f"^(?:[^/]+/){{{depths.get(shown[0], 0)}}}"
    return [
        Doubt(
            kind="ending",
            why="names differ only by what stands at the end",
            shown=", ".join(shown[:3]),
            readings=(
                Choice(len(stems), "with several visits", rf"{before}([^/]*?\d[^/]*?){ending}?(?:/|$)"),
                Choice(len(names), "one a name", f"{before}([^/]+)"),
            ),
        )
    ]


def repeated(subjects: Iterable[str], depths: Mapping[str, int]) -> list[Doubt]:
    """Subjects that share how they begin, up to a separator, and of which others end in the same way.

    What ends the names of several patients is no patient's own, be it a side, a view, a stain, a visit or a place in
    an image, in any language: ``10_left, 10_right, 13_left``. So is what is added to a whole name: ``X01, X01 - Copy``.

    Args:
        subjects: Names.
        depths: Place of names in their paths.
    """
    names = sorted(set(subjects))
    split = {name: re.findall(r"[^-_. ]+", name) for name in names}
    for count in range(1, max(map(len, split.values()), default=0)):
        endings: dict[_Names, dict[_Names, str]] = defaultdict(dict)
        for name, words in split.items():
            endings[tuple(words[:count])][tuple(words[count:])] = name
        several = _shared_endings(endings)
        if not several:
            continue
        stem, some = max(several.items(), key=lambda item: len(item[1]))
        shown = sorted(some.values())
        before = f"^(?:[^/]+/){{{depths.get(shown[0], 0)}}}"
        word = "[^-_. /]+"
        readings = (
            Choice(len(endings), f"such as {' '.join(stem)}", rf"{before}({word}(?:[-_. ]+{word}){{{count - 1}}})"),
            Choice(len(names), "one a name", f"{before}([^/]+)"),
        )
        why = "names begin alike, and those of others end in the same way"
        return [Doubt(kind="ending", why=why, shown=", ".join(shown[:3]), readings=readings)]
    return []


def _shared_endings(endings: Mapping[_Names, Mapping[_Names, str]]) -> dict[_Names, Mapping[_Names, str]]:
    """The beginnings that tell patients apart and whose several endings are not theirs alone.

    Beginnings tell patients apart by a number that others do not have, or, without numbers, if they are more than the
    names of any of them, as surnames are, and groups such as ``train`` and ``test`` are not.
    """
    stems: dict[_Names, _Names] = {stem: tuple(re.findall(r"\d+", " ".join(stem))) for stem in endings}
    words = [stem for stem, numbers in stems.items() if not numbers]
    if len(words) > max((len(endings[stem]) for stem in words), default=0):
        stems |= {stem: stem for stem in words}
    if len(set(stems.values())) < 2:  # BraTS20_Training, BraTS20_Validation
        return {}
    owners: dict[_Names, set[_Names]] = defaultdict(set)
    for stem, some in endings.items():
        for ending in some:
            owners[_without_numbers(ending)].add(stems[stem])
    return {
        stem: some
        for stem, some in endings.items()
        if stems[stem] and len(some) > 1 and any(not end or len(owners[_without_numbers(end)]) > 1 for end in some)
    }


def _without_numbers(ending: _Names) -> _Names:
    """What counts on is one ending (``slice33``), but numbers alone are not: they may be the patients."""
    if not any(letter.isalpha() for word in ending for letter in word):
        return ending
    return tuple(re.sub(r"\d+", "#", word) for word in ending)


def restarted(above: Mapping[str, Collection[tuple[str, ...]]], depths: Mapping[str, int]) -> list[Doubt]:
    """One subject's name under several parents: one patient at several places, or places that count from 1.

    Args:
        above: Names outside each subject.
        depths: Place of names in their paths.
    """
    several = sorted((name, sorted(some)) for name, some in above.items() if len(some) > 1)
    if not several:
        return []
    name, parents = several[0]
    depth = depths.get(name, 0)
    return [
        Doubt(
            kind="parents",
            why="one name lies under several parents",
            shown=", ".join("/".join((*some, name)) for some in parents[:3]),
            readings=(
                Choice(len(above), f"{name} being one", f"^(?:[^/]+/){{{depth}}}([^/]+)"),
                Choice(
                    sum(len(some) for some in above.values()),
                    f"{name} of each parent being another",
                    f"^((?:[^/]+/){{{depth}}}[^/]+)",
                ),
            ),
        )
    ]
