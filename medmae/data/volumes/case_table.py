"""Cases that a CSV names: ``subject[,session],contrast,path``."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

from medmae.data.contrasts import contrast_of, read_name
from medmae.data.identity.doubts import refuse
from medmae.data.identity.spelling import alike
from medmae.data.names import file_name_of
from medmae.data.table_files import read_csv
from medmae.data.volumes.case import Case, Lost
from medmae.data.volumes.series import Series, find_series
from medmae.data.volumes.volume_file import Source
from medmae.errors import DataError
from medmae.reading import reading

_SeriesOf = Callable[[Path, bool], dict[str, Series]]


def cases_of_table(table: Path) -> list[Case]:
    """The cases of a table; a file that does not exist is lost to its case, and nothing else is.

    Of a folder of several DICOM series, ``series`` (a SeriesInstanceUID) says which one is meant.

    Raises:
        DataError: Missing columns or fields, a column of patients that is not read, subjects of nearly one name.
    """
    needed = ("subject", "contrast", "path")
    remedy = "the first line must be: subject,session,contrast,path,series (session and series may be left out)"
    cases: dict[tuple[str, str | None], Case] = {}
    # Of each folder once; a file that cannot be read is of no matter to a series that is named.
    series_of = cache(lambda folder, named: find_series(folder, left=[] if named else None))
    for line, values in read_csv(table, needs=needed, known=("session", "series"), remedy=remedy, rows=needed):
        subject, session = values["subject"], values.get("session") or None
        _add_line(cases.setdefault((subject, session), Case(subject, session)), values, table, line, series_of)
    refuse(alike({subject for subject, _ in cases}), path=table)
    return list(cases.values())


def named_in_table(text: str) -> tuple[str, bool]:
    """Our name of what a table calls a contrast, and whether it is a label map."""
    label = read_name(text).kind == "label"
    return file_name_of(text.lower() if label else contrast_of(text) or text.upper()), label


def _add_line(case: Case, values: dict[str, str], table: Path, line: int, series_of: _SeriesOf) -> None:
    path = table.parent / values["path"]
    name, label = named_in_table(values["contrast"])
    try:
        case.add(_source(name, path, values, table, line, series_of), label=label)
    except DataError as error:
        case.lost.append(Lost(name, error, label=label))


def _source(name: str, path: Path, values: dict[str, str], table: Path, line: int, series_of: _SeriesOf) -> Source:
    with reading(path, remedy=f"correct line {line} of {table.name}"):  # a name may be one that no file system takes
        missing = not path.exists()
    if missing:
        raise DataError(
            f"line {line} of {table.name} names a file that does not exist",
            path=path,
            field="path",
            value=values["path"],
            remedy="correct the path, which starts at the folder of the table",
        )
    if not path.is_dir():
        return Source(name, path, said=True)
    one = _series_of_line(path, values.get("series", ""), series_of)
    return Source(name, path, tuple(one.files), series=(one.words, one.number), flags=one.flags, said=True)


def _series_of_line(folder: Path, uid: str, series_of: _SeriesOf) -> Series:
    """The series that a line means.

    Raises:
        DataError: The folder has no such series, or several and the line names none; a file of it cannot be read.
    """
    series = series_of(folder, bool(uid))
    if uid in series or (not uid and len(series) == 1):
        return series[uid or next(iter(series))]
    raise DataError(
        "the folder has no such series" if uid else "the folder holds several series, or none",
        path=folder,
        field="series",
        value=uid or len(series),
        remedy="name one by its SeriesInstanceUID in the column series",
    )
