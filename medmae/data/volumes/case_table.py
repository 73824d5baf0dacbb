"""Cases that a CSV names: ``subject[,session],contrast,path``."""

from __future__ import annotations

from pathlib import Path

from medmae.data.contrasts import contrast_of, read_name
from medmae.data.identity.doubts import alike, refuse
from medmae.data.names import file_name_of
from medmae.data.table_files import read_csv
from medmae.data.volumes.case import Case
from medmae.data.volumes.dicom import is_dicom
from medmae.data.volumes.volume_file import Source
from medmae.errors import DataError


def cases_of_table(table: Path) -> list[Case]:
    """The cases of a table; a file that does not exist is a fault of its case.

    Raises:
        DataError: Missing columns or fields, a column of patients that is not read, subjects of nearly one name.
    """
    needed = ("subject", "contrast", "path")
    remedy = "the first line must be: subject,session,contrast,path (session may be left out)"
    cases: dict[tuple[str, str | None], Case] = {}
    for line, values in read_csv(table, needs=needed, known=("session",), remedy=remedy, rows=needed):
        subject, session = values["subject"], values.get("session") or None
        _add_line(cases.setdefault((subject, session), Case(subject, session)), values, table, line)
    refuse(alike({subject for subject, _ in cases}), path=table)
    return list(cases.values())


def named_in_table(text: str) -> tuple[str, bool]:
    """Our name of what a table calls a contrast, and whether it is a label map."""
    label = read_name(text).kind == "label"
    return file_name_of(text.lower() if label else contrast_of(text) or text.upper()), label


def _add_line(case: Case, values: dict[str, str], table: Path, line: int) -> None:
    path = table.parent / values["path"]
    name, label = named_in_table(values["contrast"])
    if not path.exists():
        case.fault = case.fault or DataError(
            f"line {line} of {table.name} names a file that does not exist",
            path=path,
            field="path",
            value=values["path"],
        )
    files = tuple(sorted(file for file in path.iterdir() if is_dicom(file))) if path.is_dir() else ()
    case.add(Source(name, path, files), label=label)
