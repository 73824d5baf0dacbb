"""Whose a unit is, by the names of folders and files: the level at which the same inner names repeat.

A unit (a volume, a slide, an image, a video) comes with the names that could tell whose it is, from the outside to the
inside: folders, and what its own name says besides what the unit shows. Names are read one by one (:mod:`.words`), then
all units together: where single names do not say which level holds patients, names that repeat under several parents
lie inside a patient. What could be read in two ways is a :class:`~.doubts.Doubt`, told with both readings.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from medmae.data.identity.doubts import Choice, Doubt, checked, restarted
from medmae.data.identity.endings import endings, numbered, uids
from medmae.data.identity.file_numbers import Numbered, series_numbers
from medmae.data.identity.spelling import alike, scripts
from medmae.data.identity.words import Role, role_of, split_visit, without_shelf

Names = tuple[str, ...]
_Parts = Sequence[tuple[str, Role]]


@dataclass(frozen=True)
class Identity:
    """Whose a unit is.

    Args:
        subject: The patient.
        session: The visit, if any.
        inner: Further names inside the visit, which tell units of it apart.
        above: Names outside the patient, such as a site.
        known: Whether a name tells it at all; else the subject is the source's own name.
        clear: Whether a name says in words, or as a published scheme does, that it is a patient's.
    """

    subject: str
    session: str | None = None
    inner: Names = ()
    above: Names = ()
    known: bool = True
    clear: bool = False


@dataclass(frozen=True)
class Reading:
    """Whose all units are, and what could be read in another way."""

    identities: tuple[Identity, ...]
    doubts: tuple[Doubt, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Unit:
    """One thing whose patient is asked for.

    Args:
        path: Where it lies below the source, without suffix, with ``/``.
        names: Those that could tell whose it is, from the outside to the inside.
        counts: Whether it counts in a doubt; a mask, which follows its image, does not.
        patient: Hash of the identifier that the file itself has, if any.
        study: The same of the visit.
        shows: What a file shows of which nothing else but a number is named, which tells nobody for sure.
        behind: Whether that number stands behind what it shows.
    """

    path: str
    names: Names
    counts: bool = True
    patient: str | None = None
    study: str | None = None
    shows: str | None = None
    behind: bool = True


def read_tree(units: Sequence[Unit], *, root: str) -> Reading:
    """Reads the names of all units of a source.

    Args:
        units: All of them.
        root: Name of the source: the patient of units that have no name.
    """
    parts = [_with_roles(unit.names) for unit in units]
    depths = depths_of(units)
    outer, doubts = _outer_level([part for part, unit in zip(parts, units, strict=True) if unit.counts], depths)
    found = [_identity(part, outer, root) for part in parts]
    counted = [(one, unit) for one, unit in zip(found, units, strict=True) if unit.counts]
    doubts += doubts_among([one for one, _ in counted], depths)
    files = [Numbered(one.subject, unit.shows, one.session, unit.behind) for one, unit in counted if unit.shows]
    doubts += series_numbers(files, total=len(counted))
    paths = [unit.path for unit in units if unit.counts]
    return Reading(tuple(found), tuple(checked(doubts, paths)))


def _with_roles(names: Names) -> _Parts:
    """Names and what they say; folders that sort files say nothing, unless there is nothing else."""
    parts = [(name, role_of(name)) for name in names]
    return [part for part in parts if part[1] is not Role.SHELF] or [(name, Role.OTHER) for name in names[-1:]]


def depths_of(units: Iterable[Unit]) -> dict[str, int]:
    """At which place of its path each name stands, for the patterns that a message offers."""
    depths: dict[str, int] = {}
    for unit in units:
        path = unit.path.split("/")
        for name in unit.names:
            places = (place for place, part in enumerate(path) if part == name or part.startswith(name))
            depths.setdefault(name, next(places, 0))
            depths.setdefault(split_visit(without_shelf(name))[0], depths[name])
    return depths


def _candidates(part: _Parts) -> list[int]:
    """Places of the names that could be the patient's: those before the first visit, else those after it."""
    visits = [place for place, (_, role) in enumerate(part) if role is Role.VISIT]
    first = visits[0] if visits else len(part)
    names = [place for place, (_, role) in enumerate(part) if role not in (Role.VISIT, Role.GROUP)]
    found = [place for place in names if place < first] or names
    strong = [place for place in found if part[place][1] is Role.STRONG]
    weak = [place for place in found if part[place][1] is Role.WEAK]
    if weak and strong and weak[0] < strong[0]:  # S01/sub-001: S is a site, or else sub is no subject
        return [weak[0], strong[0]]
    if strong or not weak:
        return strong[:1] or found
    return found[: found.index(weak[0]) + 1]


def _outer_level(parts: Sequence[_Parts], depths: Mapping[str, int]) -> tuple[int, list[Doubt]]:
    """How many of the candidates lie outside the patient, and the doubts about that."""
    candidates = [[part[place][0] for place in _candidates(part)] for part in parts]
    for level in range(max(map(len, candidates), default=0)):
        inner_of: dict[str, set[str]] = defaultdict(set)
        for names in candidates:
            if len(names) > level + 1:
                inner_of[names[level]].add(names[level + 1])
        outside = {names[level] for names in candidates if len(names) > level}
        if not inner_of or len(outside) > 1:
            return level, _level_doubts(inner_of, depths)
    return 0, []


def _level_doubts(inner_of: Mapping[str, set[str]], depths: Mapping[str, int]) -> list[Doubt]:
    """Whether the names inside could be patients as well as those outside."""
    parents: dict[str, set[str]] = defaultdict(set)
    for outer, some in inner_of.items():
        for inner in some:
            parents[inner].add(outer)
    several = {outer: some for outer, some in inner_of.items() if len(some) > 1}
    repeated = {inner for inner, some in parents.items() if len(some) > 1}
    numbered = {inner for inner in parents if any(letter.isdigit() for letter in inner)}
    # The same words in each are parts of one patient's data, and a folder of one folder can be either.
    words_repeat = not numbered and 2 * len(repeated) >= len(parents)
    if words_repeat or not (several or repeated & numbered):
        return []
    outer, some = max((several or inner_of).items(), key=lambda item: len(item[1]))
    inner = min(some)
    depth = depths.get(inner, 1)
    pairs = sum(map(len, inner_of.values()))
    readings = [
        Choice(len(inner_of), f"such as {outer}", f"^(?:[^/]+/){{{depths.get(outer, 0)}}}([^/]+)"),
        Choice(len(parents), f"such as {inner}", f"^(?:[^/]+/){{{depth}}}([^/]+)"),
    ]
    if repeated & numbered:  # sites whose patients are counted from 1
        readings.append(Choice(pairs, f"such as {outer}/{inner}", f"^((?:[^/]+/){{{depth}}}[^/]+)"))
    return [
        Doubt(
            kind="level",
            why="one inner name lies under several parents" if repeated & numbered else "a folder holds several names",
            shown=", ".join(f"{outer}/{one}" for one in sorted(some)[:3]),
            readings=tuple(readings),
        )
    ]


def _identity(part: _Parts, outer: int, root: str) -> Identity:
    places = _candidates(part)
    if not places:
        return _without_name(part, root)
    place = places[min(outer, len(places) - 1)]
    subject, visit = split_visit(without_shelf(part[place][0]))
    visits = [name for other, (name, role) in enumerate(part) if other != place and role is Role.VISIT]
    return Identity(
        subject=subject,
        session=_joined((visit, *visits)),
        inner=tuple(name for name, role in part[place + 1 :] if role is not Role.VISIT),
        above=tuple(name for name, role in part[:place] if role is not Role.VISIT),
        clear=part[place][1] is Role.STRONG or (part[place][1] is Role.WEAK and place < len(part) - 1),
    )


def _without_name(part: _Parts, root: str) -> Identity:
    """Of a unit of which only visits are named: what follows a date in one of them, else the source's own name."""
    visits = [name for name, role in part if role is Role.VISIT]
    above = tuple(name for name, role in part if role is Role.GROUP)
    for name in visits:
        subject, visit = split_visit(name)
        if visit is not None:
            return Identity(subject, _joined((*(one for one in visits if one != name), visit)), above=above)
    return Identity(root, _joined(visits), above=above, known=False)


def _joined(names: Iterable[str | None]) -> str | None:
    return "_".join(dict.fromkeys(name for name in names if name)) or None


def doubts_among(found: Sequence[Identity], depths: Mapping[str, int]) -> list[Doubt]:
    """What could be one patient among several, or several visits of nobody that is named.

    Args:
        found: Of each unit.
        depths: Place of names in their paths.
    """
    above: dict[str, set[Names]] = defaultdict(set)
    for one in found:
        above[one.subject].add(one.above)
    doubts = [*alike(above), *scripts(above), *uids(above, depths)]
    doubts += [*(endings(above, depths) or numbered(above, depths)), *restarted(above, depths)]
    alone = len(above) == 1 and not any(one.clear or any(map(str.isdigit, one.subject)) for one in found)
    visits = sorted({str(one.session) for one in found if (alone or not one.known) and one.session})
    if len(visits) > 1:
        single = Choice(1, "with several visits: put these folders into one of the patient's name")
        several = Choice(len(visits), "one a folder", "^([^/]+)")
        doubts.append(
            Doubt(
                "visits", "folders name visits, and nothing names a patient", ", ".join(visits[:3]), (single, several)
            )
        )
    return doubts
