"""Whose a unit is, as a user says it: by a table, or by a pattern on paths."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from medmae.data.identity.doubts import refuse
from medmae.data.identity.headers import with_headers
from medmae.data.identity.spelling import alike
from medmae.data.identity.tree import Identity, Reading, Unit, read_tree
from medmae.data.identity.words import split_visit
from medmae.data.names import stem_of
from medmae.data.table_files import read_csv
from medmae.errors import DataError

_UID = re.compile(r"\d+(?:\.\d+){3,}")
HEADERS = "PatientID"  # as --subject-from: what DICOM files say themselves
_REMEDY = "the first line must be: path,subject[,session][,contrast]; paths of files, folders or series UIDs below it"


@dataclass(frozen=True, kw_only=True)
class Given:
    """What a user says of patients.

    Args:
        subject_from: Regular expression whose first group (or the whole match) is the patient; ``PatientID`` takes a
            salted hash of what DICOM files say.
        subjects: Table with ``path,subject`` and maybe ``session``; a folder stands for all that lies in it.
        by_name: Whether a pattern without ``/`` is searched in the name of a unit rather than in its path.
    """

    subject_from: str | None = None
    subjects: str | Path | None = None
    by_name: bool = False

    def __post_init__(self) -> None:
        if self.subject_from is not None and self.subjects is not None:
            raise ValueError("--subject-from and --subjects both say who is who: give one")
        compiled(self.subject_from, option="--subject-from")

    @property
    def says(self) -> bool:
        """Whether it says anything."""
        return self.subject_from is not None or self.subjects is not None


def identify(units: Sequence[Unit], *, source: Path, given: Given | None = None, strict: bool = True) -> list[Identity]:
    """Whose each unit is: by table, by pattern, else by the names of folders and files and by DICOM headers.

    Args:
        units: All units of a source.
        source: The source, for its name and for messages.
        given: What the user says.
        strict: Whether a reading that could be another one is refused; else the one that parts least counts.

    Raises:
        DataError: A doubt, with both readings and how to choose; units of which table or pattern say nothing.
    """
    given = given or Given()
    reading = read_tree(units, root=source.resolve().name)
    if given.subjects is not None:
        lines = lines_of(Path(given.subjects), [unit.path for unit in units])
        told = [_told(one, lines[unit.path]) for one, unit in zip(reading.identities, units, strict=True)]
        reading = Reading(tuple(told), tuple(alike({one.subject for one in told})))
    elif given.subject_from == HEADERS:
        _require_headers(units, source)
        reading = with_headers(reading, units, decide=True)
    elif given.subject_from is not None:
        found = by_pattern([unit.path for unit in units], given.subject_from, by_name=given.by_name)
        told = [_matched(one, unit, found[unit.path]) for one, unit in zip(reading.identities, units, strict=True)]
        reading = Reading(tuple(told), tuple(alike({one.subject for one in told})))
    else:
        reading = with_headers(reading, units)
    if strict:
        refuse(reading.doubts, path=source)
    return list(reading.identities)


def by_pattern(paths: Iterable[str], pattern: str, *, by_name: bool = False) -> dict[str, str]:
    """What a pattern finds in each path; by name, one without ``/`` sees the last part only.

    Raises:
        DataError: With paths in which it finds nothing.
    """
    regex = compiled(pattern, option="--subject-from")
    assert regex is not None
    short = by_name and "/" not in pattern
    return require_match({path: path.rpartition("/")[2] if short else path for path in paths}, regex)


def compiled(pattern: str | None, *, option: str) -> re.Pattern[str] | None:
    """A regular expression that a user gave.

    Raises:
        ValueError: If it is none.
    """
    if pattern is None:
        return None
    try:
        return re.compile(pattern)
    except re.error as error:
        raise ValueError(f"{option} is no regular expression ({error}): {pattern!r}") from error


def require_match(
    texts: Mapping[str, str], regex: re.Pattern[str], *, option: str = "--subject-from"
) -> dict[str, str]:
    """What a pattern finds in each text, by its key: its first group, or the whole match.

    Raises:
        DataError: With the texts in which it finds nothing.
    """
    matches = {key: regex.search(text) for key, text in texts.items()}
    found = {key: (match[1] if regex.groups else match[0]) for key, match in matches.items() if match}
    missed = [text for key, text in texts.items() if not found.get(key)]
    if missed:
        raise DataError(
            f"{option} matches nothing in {len(missed)} of {len(texts)} names: {', '.join(missed[:10])}",
            field=option,
            value=regex.pattern,
            remedy="correct the pattern: its first group is what counts",
        )
    return found


def lines_of(table: Path, paths: Sequence[str]) -> dict[str, dict[str, str]]:
    """The line of a table of subjects for each path: that of the path itself, else of the innermost folder.

    Raises:
        DataError: If a path has no line, a line no path, or two lines name one path.
    """
    lines: dict[str, dict[str, str]] = {}
    units = set(paths)
    known = ("session", "contrast")
    for number, line in read_csv(
        table, needs=("path", "subject"), known=known, remedy=_REMEDY, rows=("path", "subject")
    ):
        name = stem_of(line["path"].strip("/").removeprefix("./"))
        bare = name.rpartition(".")[0]
        name = bare if name not in units and bare in units else name
        if name in lines:
            raise DataError(f"line {number} names a path again", path=table, field="path", value=line["path"])
        lines[name] = line
    found = {path: next((form for form in _forms(path) if form in lines), None) for path in paths}
    missing = [path for path, form in found.items() if form is None]
    unused = sorted(set(lines) - set(found.values()))
    if missing or unused:
        raise DataError(
            f"the table names no subject for {len(missing)} paths"
            if missing
            else "the table names paths that are not here",
            path=table,
            field="path",
            value=(missing or unused)[:5],
            remedy="add a line for each, or for a folder above; paths start below the source",
        )
    return {path: lines[str(form)] for path, form in found.items()}


def contrasts_of(table: Path) -> dict[str, str]:
    """The contrast that a table of subjects names for a path, without suffix, where it names one."""
    lines = read_csv(table, needs=("path", "subject"), known=("session", "contrast"), remedy=_REMEDY)
    named = {stem_of(line["path"].strip("/").removeprefix("./")): line.get("contrast", "") for _, line in lines}
    return {path: contrast for path, contrast in named.items() if contrast}


def _forms(path: str) -> list[str]:
    parts = path.split("/")
    if _UID.fullmatch(parts[-1]):  # a series: what follows its last dot is no suffix, and it is unique without folders
        return [path, parts[-1], *("/".join(parts[:n]) for n in reversed(range(1, len(parts))))]
    names = {path, path.rpartition(".")[0]}
    return [
        *sorted(filter(None, names), key=len, reverse=True),
        *("/".join(parts[:n]) for n in reversed(range(1, len(parts)))),
    ]


def _told(one: Identity, line: Mapping[str, str]) -> Identity:
    subject, session = line["subject"], line.get("session") or None
    inner = (*one.above, *one.inner) if session else _rest(one, subject)
    return Identity(subject, session or one.session, inner=inner)


def _matched(one: Identity, unit: Unit, subject: str) -> Identity:
    """The visit that the names tell stays; all other names only tell units of one visit apart."""
    _, visit = split_visit(subject)
    return replace(
        one,
        subject=subject,
        session=one.session if visit != one.session else None,
        inner=_rest(one, subject, *unit.names),
        above=(),
        known=True,
    )


def _rest(one: Identity, subject: str, *names: str) -> tuple[str, ...]:
    return tuple(name for name in dict.fromkeys((*one.above, one.subject, *one.inner, *names)) if name != subject)


def _require_headers(units: Sequence[Unit], source: Path) -> None:
    bare = [unit.path for unit in units if unit.patient is None]
    if bare:
        raise DataError(
            f"{len(bare)} of {len(units)} units have no PatientID that tells patients apart, such as {bare[0]}",
            path=source,
            field="PatientID",
            remedy="name patients by a pattern on paths, or in a table: --subjects",
        )
