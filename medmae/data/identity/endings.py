"""Names that part one patient or count patients, nobody can tell which: by a number, a date or a word at one end."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from medmae.data.identity.doubts import Choice, Doubt
from medmae.data.identity.words import Role, role_of

_Names = tuple[str, ...]
_GLUED = (
    r"(?i:v|t|tp|ses|visit|(?:re)?(?:scan|test)|mr|pre|post|fu|bl|baseline|followup|week|month|day)\d{0,4}|[A-Za-z]"
)
_COUNTED = r"(?i:i{1,3}|iv|vi{0,3}|\d{1,2}(?:st|nd|rd|th|er|e|\u00e8me|eme))"  # P01_II, P01_2nd
_UID = re.compile(r"\d+(?:\.\d+){3,}")
_WORDS_AND_NUMBER = re.compile(r"(?P<stem>[^\W\d_]{2,}(?:[-_. ,^]+[^\W\d_]+)*)[-_. ]*\(?\d{0,2}\)?")
_MOST_NUMBERED = 9  # visits that are counted, not dated
_MOST_VISITS = 20  # of one patient: what has more endings than these counts patients
_MONTH, _DAY, _YEAR = r"(?:0[1-9]|1[0-2])", r"(?:0[1-9]|[12]\d|3[01])", r"(?:19|20)\d\d"
_MONTH_NAME = (
    r"(?:jan(?:uary?|vier)?|feb(?:ruary?)?|f[ée]v(?:rier)?|mar(?:ch|s)?|m[äa]rz|mrz|apr(?:il)?|avr(?:il)?|ma[iy]|"
    r"jun[ei]?|juin|jul[iy]?|juil(?:let)?|aug(?:ust)?|ao[uû]t|sept?(?:ember)?|o[ck]t(?:ober)?|nov(?:ember)?|de[cz](?:ember)?)"
)
# What can be a date or a number, by its form: all that has that form must be dates for it to be one.
_DATES = {
    r"\d{6}": (rf"\d\d{_MONTH}{_DAY}", rf"{_DAY}{_MONTH}\d\d", rf"{_YEAR}{_MONTH}", rf"{_MONTH}{_YEAR}"),
    r"\d{8}": (rf"{_YEAR}{_MONTH}{_DAY}", rf"{_DAY}{_MONTH}{_YEAR}"),
    r"\d\d[-.]\d\d[-.]\d\d": (rf"\d\d[-.]{_MONTH}[-.]{_DAY}", rf"{_DAY}[-.]{_MONTH}[-.]\d\d"),
    r"\d{1,2}[-.]\d{1,2}[-.]\d\d": (r"(?:0?[1-9]|[12]\d|3[01])[-.](?:0?[1-9]|1[0-2])[-.]\d\d",),
    r"\d{4}[-.]\d\d": (rf"{_YEAR}[-.]{_MONTH}",),
    rf"(?:\d{{1,2}}[-_. ]?)?(?<![a-z]){_MONTH_NAME}[-_. ]?(?:\d{{4}}|\d\d)": (".*",),
    r"(?<=[-_. ])\d{4}$|^\d{4}(?=[-_. ])": (_YEAR,),
}
# What is numbered and no person: groups, kinds of files, parts of a body, species.
_NO_PERSON = re.compile(
    r"ad|[el]?mci|cn|nc|hc|con|ctr?ls?|controls?|kontrollen?|gesund|temoins?|healthy|normals?|pd|[rsp]?[rpm]?ms|cis|sc?z|bd|mdd|asd|td|adhd|ftd|als|hd|"
    r"epi|tle|stroke|gbm|[hl]gg|mets?|tumou?rs?|benign|malignant|brains?|heads?|spine|img|images?|im|pic|photo|slides?|"
    r"samples?|specimen|tiles?|videos?|clips?|frames?|vol|volumes?|files?|data|dataset|train(?:ing)?|val|test|examples?|"
    r"demo|phantoms?|dummy|mouse|rat|monkey|dogs?|cats?|ixi|brats|oasis|adni|wt|ko|tg|sham|group|arm|cohort|ex(?:am)?|"
    r"pats?|patients?|probands?|persons?|subjects?|subj?|cases?|vp|pb|prob|volunteers?|participants?|hv|nv|id",
    re.IGNORECASE,
)


def endings(subjects: Iterable[str], depths: Mapping[str, int]) -> list[Doubt]:
    """The doubts about dates, else about numbers and letters at the end, else about words.

    Args:
        subjects: Names.
        depths: Place of names in their paths.
    """
    names = sorted(set(subjects))
    return dated(names, depths) or renamed(names, depths) or repeated(names, depths)


def dated(subjects: Iterable[str], depths: Mapping[str, int], *, alone: bool = True) -> list[Doubt]:
    """Subjects whose names differ only in what can be a date: ``240131_meier, 240201_meier``.

    Args:
        subjects: Names.
        depths: Place of names in their paths.
        alone: Whether this is a doubt, too, where all names are the same without their dates.
    """
    names = sorted(set(subjects))
    for form, dates in _DATES.items():
        token = re.compile(rf"(?<!\d)(?:{form})(?!\d)", re.IGNORECASE)
        found = {name: matches[0] for name in names if len(matches := list(token.finditer(name))) == 1}
        date = next((one for one in dates if all(re.fullmatch(one, match[0]) for match in found.values())), None)
        if not found or date is None:
            continue
        stems: dict[str, list[str]] = defaultdict(list)
        for name in names:
            stems[_without(name, found.get(name))].append(name)
        shown = max(stems.values(), key=len)
        if not 1 < len(shown) <= _MOST_VISITS or (len(stems) == 1 and (not alone or date == _YEAR)):
            continue
        before = f"^(?:[^/]+/){{{depths.get(shown[0], 0)}}}"
        readings = (
            Choice(
                len(stems),
                f"such as {_without(shown[0], found[shown[0]])}, with several visits",
                _dateless(list(found.values()), before, form if date == ".*" else date),
            ),
            Choice(len(names), "one a name", f"{before}([^/]+)"),
        )
        why = "names differ only in what can be a date"
        return [Doubt(kind="ending", why=why, shown=", ".join(shown[:3]), readings=readings)]
    return []


def _without(name: str, date: re.Match[str] | None) -> str:
    """A name without its date, and as it is where nothing else is left."""
    if date is None:
        return name
    return "_".join(filter(None, (part.strip("-_. ") for part in (name[: date.start()], name[date.end() :])))) or name


def _dateless(found: Sequence[re.Match[str]], before: str, date: str) -> str:
    """A pattern for what stands behind the dates, or before them."""
    if any(match.start() for match in found):
        return rf"{before}([^/]*?[^-_. /])[-_. ]*(?:{date})"
    words = min(len(re.findall(r"[^-_. ]+", match.string[match.end() :])) for match in found) or 1
    return rf"{before}(?:{date})[-_. ]*([^-_. /]+(?:[-_. ]+[^-_. /]+){{{words - 1}}})"


def numbered(subjects: Iterable[str], depths: Mapping[str, int]) -> list[Doubt]:
    """Subjects whose names are words and differ only by a number: ``meier1, meier2, novak``.

    Words that are known as groups or things only count, as do numbers behind one word for all, unless they are two.

    Args:
        subjects: Names.
        depths: Place of names in their paths.
    """
    names = sorted(set(subjects))
    stems: dict[str, list[str]] = defaultdict(list)
    for name in names:
        match = _WORDS_AND_NUMBER.fullmatch(name)
        if match and role_of(name) is Role.OTHER and not _NO_PERSON.fullmatch(match["stem"]):
            stems[match["stem"].casefold()].append(name)
    several = [some for some in stems.values() if 1 < len(some) <= _MOST_NUMBERED]
    if not several or len(several[0]) == len(names) > 2:
        return []
    shown = max(several, key=len)
    before = f"^(?:[^/]+/){{{depths.get(shown[0], 0)}}}"
    rest = len(names) - sum(map(len, stems.values()))
    readings = (
        Choice(len(stems) + rest, "with several visits", rf"{before}([^\W\d_]+(?:[-_. ,^]+[^\W\d_]+)*)"),
        Choice(len(names), "one a name", f"{before}([^/]+)"),
    )
    why = "names are words that differ only by a number"
    return [Doubt(kind="ending", why=why, shown=", ".join(shown[:3]), readings=readings)]


def uids(subjects: Iterable[str], depths: Mapping[str, int]) -> list[Doubt]:
    """Subjects that are called as DICOM calls studies, series and images, of which a patient has several.

    Args:
        subjects: Names.
        depths: Place of names in their paths.
    """
    names = sorted(name for name in set(subjects) if _UID.fullmatch(name))
    if len(names) < 2:
        return []
    readings = (
        Choice(1, "or some more, with several studies or series each: only a table knows"),
        Choice(len(names), "one a UID", f"^(?:[^/]+/){{{depths.get(names[0], 0)}}}([\\d.]+)"),
    )
    why = "names are UIDs, which name studies, series and images, and no patients"
    return [Doubt(kind="ending", why=why, shown=", ".join(names[:3]), readings=readings)]


def renamed(subjects: Iterable[str], depths: Mapping[str, int], *, digits: int = 3) -> list[Doubt]:
    """Subjects whose names differ only by a number or letter at the end, after a number that differs, too.

    Args:
        subjects: Names.
        depths: Place of names in their paths.
        digits: Most of a number that counts visits or images; longer ones name patients.
    """
    number = rf"\(?[A-Za-z]{{0,2}}\d{{1,{digits}}}\)?"
    ending = rf"(?:[-_. ]+(?:{number}|[A-Za-z]|{_COUNTED})|\(\d{{1,2}}\)|(?<=\d)(?:{_GLUED}))"
    tail = re.compile(rf"(?P<stem>.*?\d.*?){ending}")
    names = sorted(set(subjects))
    stems: dict[str, list[str]] = defaultdict(list)
    for name in names:
        match = tail.fullmatch(name)
        added = re.fullmatch(r"(.*\d)[A-Za-z]{2,}", name)  # P01, P01bis
        whole = added[1] if added and added[1] in names else name
        stems[match["stem"] if match else whole].append(name)
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
    names = sorted(name for name in set(subjects) if not _UID.fullmatch(name))
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
        if stems[stem]
        and len(some) > 1
        and (_is_number(stem) or any(not end or len(owners[_without_numbers(end)]) > 1 for end in some))
    }


def _is_number(stem: _Names) -> bool:
    """Whether a beginning is a number that may well be a patient's: ``10000_1000000, 10000_1000001``."""
    return len(stem) == 1 and bool(re.fullmatch(r"\d+|[A-Za-z]*(?!(?:19|20)\d\d$)\d{4,}", stem[0]))


def _without_numbers(ending: _Names) -> _Names:
    """What counts on is one ending (``slice33``), but numbers alone are not: they may be the patients."""
    if not any(letter.isalpha() for word in ending for letter in word):
        return ending
    return tuple(re.sub(r"\d+", "#", word) for word in ending)
