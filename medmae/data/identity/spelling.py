"""Spellings of one name: what people write now so, now so, and letters that look like others."""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable

from medmae.data.identity.doubts import Choice, Doubt

# Small letters of other alphabets, or of other languages, that pass for Latin ones as small letters or as capitals.
_LOOKS = str.maketrans(
    dict(zip("авекмнорстухіјѕһԁԛԝ", "abekmhopctyxijshdqw", strict=True))
    | dict(zip("αβεζηικμνορτυχ", "abezhikmnoptyx", strict=True))
    | dict(zip("ıłøđðɑɡ", "iloddag", strict=True))
    | {"æ": "ae", "œ": "oe"}
)
_TITLES = {"dr", "med", "prof", "mr", "mrs", "ms", "herr", "hr", "frau", "fr", "mme", "mlle", "sr", "sra"}
_WRITTEN = "names differ only in case, padding, blanks, Unicode form or - and _"
_SEEN = "names differ only in letters of other alphabets that look alike, umlauts and accents, or the order of words"


def normalised(name: str) -> str:
    """A name without what people write now so, now so: case, blanks, padding, Unicode form, ``-`` and ``_``.

    So is ``.0``, which spreadsheets and pandas add to numbers.

    >>> normalised("Sub-007 ") == normalised("sub_7"), normalised("p10") == normalised("p1")
    (True, False)
    >>> normalised("7.0") == normalised("7"), normalised("7.0") == normalised("70")
    (True, False)
    """
    text = re.sub(r"^(\d+)\.0+$", r"\1", unicodedata.normalize("NFKC", name).strip().casefold())
    return re.sub(r"[\W_]+", "", re.sub(r"(?<!\d)0+(?=\d)", "", text))


def seen_as(name: str) -> str:
    """What a reader takes a name for: letters as they look, umlauts and accents as they are typed elsewhere.

    The words of a name of letters alone come in one order, and titles are none of them.

    >>> len({seen_as(name) for name in ("M\u00fcller_Eva", "Eva Mueller", "MULLER^EVA")})
    1
    >>> len({seen_as(name) for name in ("Dr. Eva Meier", "Meier^Eva", "Frau Meier, Eva")})
    1
    >>> seen_as("\u0410O1") == seen_as("A01"), seen_as("A-1-2") == seen_as("A-2-1")
    (True, False)
    """
    text = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", name).casefold().translate(_LOOKS))
    text = "".join(letter for letter in text.translate(_LOOKS) if not unicodedata.combining(letter))
    text = "".join(str(unicodedata.decimal(letter, letter)) for letter in text)
    text = re.sub(r"o(?=\d)|(?<=\d)o", "0", text)
    text = re.sub(r"[a-z]{4,}", lambda word: re.sub(r"([aou])e", r"\1", word[0]), text)
    words = re.findall(r"[^\W_]+", text)
    words = [word for word in words if word not in _TITLES] or words
    return normalised("".join(sorted(words)) if all(word.isalpha() for word in words) else text)


def alike(subjects: Iterable[str]) -> list[Doubt]:
    """Subjects whose names differ in nothing but spelling."""
    written: dict[str, set[str]] = defaultdict(set)
    seen: dict[str, set[str]] = defaultdict(set)
    for name in subjects:
        written[normalised(name)].add(name)
        seen[seen_as(name)].add(name)
    twins = [(_WRITTEN, sorted(some)) for some in written.values() if len(some) > 1]
    twins += [(_SEEN, sorted(some)) for some in seen.values() if len({normalised(name) for name in some}) > 1]
    return [
        Doubt(
            kind="spelling",
            why=why,
            shown=" = ".join(map(_shown, some)),
            readings=(Choice(1, f"{some[0]}: give them one name"), Choice(len(some), "as they are written")),
        )
        for why, some in twins[:3]
    ]


def scripts(subjects: Iterable[str]) -> list[Doubt]:
    """Subjects of whom some are named in Latin letters and some in others: one patient may be there in both.

    >>> len(scripts(["Ivanov", "\u0418\u0432\u0430\u043d\u043e\u0432"])), len(scripts(["Ivanov", "M\u00fcller"]))
    (1, 0)
    """
    names = sorted(set(subjects))
    found = {name: {_script(word) for word in re.findall(r"[^\W\d_]{2,}", name)} - {None} for name in names}
    written = {frozenset(some): name for name, some in reversed(found.items()) if some}
    pairs = itertools.combinations(sorted(written, key=sorted), 2)
    apart = next(((one, other) for one, other in pairs if not one & other), None)
    if apart is None:
        return []
    shown = ", ".join(f"{written[some]!r} ({' and '.join(sorted(map(str, some)))})" for some in apart)
    fewest = min(sum(bool(some & here) for here in found.values()) for some in apart)
    return [
        Doubt(
            kind="spelling",
            why="names are written in several scripts, and one patient may be there in two",
            shown=shown,
            readings=(
                Choice(len(names) - fewest, "or some more: give each patient one name"),
                Choice(len(names), "as they are written", "^([^/]+)"),
            ),
        )
    ]


def _script(word: str) -> str | None:
    """The script of a word's letters; None of a word that mixes them, as ``TNF\u03b1`` does, or has none.

    Han and the syllables that Japanese and Korean mix with it are one.
    """
    found = {unicodedata.name(letter, "").partition(" ")[0] for letter in unicodedata.normalize("NFKC", word)}
    found = {"CJK" if script in ("HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA", "HANGUL") else script for script in found}
    return found.pop() if len(found) == 1 else None


def _shown(name: str) -> str:
    """A name, and which of its letters is none of the Latin alphabet, which the eye does not tell."""
    foreign = [unicodedata.name(letter, "") for letter in name if letter.isalpha()]
    other = next((text for text in foreign if not text.startswith("LATIN")), None)
    return repr(name) if other is None else f"{name!r} ({other})"
