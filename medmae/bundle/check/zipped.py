"""Zip files of bundles: unpacked without believing them; what is then checked and run is what was unpacked."""

from __future__ import annotations

import lzma
import shutil
import stat
import unicodedata
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from medmae.bundle.check.finding import Problem
from medmae.errors import DataError

MAX_TOTAL = 10_000_000_000  # bytes after unpacking
MAX_RATIO = 500  # unpacked to packed; weights reach 1.1, text 10
MAX_MEMBERS = 10_000
_REMEDY = "zip the folder anew; do not unpack this file"


def member_problems(archive: zipfile.ZipFile) -> Iterator[Problem]:
    """What is wrong with the members of a zip file, by their names and declared sizes alone."""
    infos = archive.infolist()
    seen: set[str] = set()
    total = sum(info.file_size for info in infos)
    where = Path(archive.filename or "zip").name
    if len(infos) > MAX_MEMBERS or total > MAX_TOTAL:
        yield Problem(where, f"{len(infos)} members of {total} bytes: a bomb", _REMEDY)
        return
    for info in infos:
        folded = unicodedata.normalize("NFKC", info.filename).casefold()
        if not _is_normal(info):
            yield Problem(info.filename, "is no plain relative path: it could be unpacked elsewhere", _REMEDY)
        elif not is_plain(info) and not info.is_dir():
            yield Problem(info.filename, "is a link or is encrypted", _REMEDY)
        elif info.file_size > max(info.compress_size, 1) * MAX_RATIO and info.file_size > 1_000_000:
            yield Problem(info.filename, f"grows {MAX_RATIO} times or more when unpacked: a bomb", _REMEDY)
        elif folded in seen:
            yield Problem(info.filename, "stands twice, or differs in case alone", _REMEDY)
        seen.add(folded)
    if len({info.filename.partition("/")[0] for info in infos}) != 1 or not any(map(is_plain, infos)):
        yield Problem(where, "has not one folder at its top", "zip the folder of the bundle itself")


def is_plain(info: zipfile.ZipInfo) -> bool:
    """Whether a member is a file (no folder, no link, not encrypted) that stays inside."""
    mode = info.external_attr >> 16
    file = not info.is_dir() and stat.S_IFMT(mode) in (0, stat.S_IFREG)
    return file and not info.flag_bits & 1 and _is_normal(info)


class UnsafeZipError(DataError):
    """A zip file was not unpacked.

    Args:
        path: Of the file.
        problems: What is wrong with it.
    """

    def __init__(self, path: str | Path, problems: Sequence[Problem]) -> None:
        self.problems = list(problems)
        super().__init__("; ".join(f"{item.path} {item.message}" for item in problems), path=path, remedy=_REMEDY)


def unpack(path: str | Path, out: str | Path) -> Path:
    """Unpacks a zip file in which :func:`member_problems` finds nothing; gives the bundle's folder.

    Raises:
        UnsafeZipError: If something is wrong with the file or a member, before anything is written where it shows.
    """
    out = Path(out)
    try:
        with zipfile.ZipFile(path) as archive:
            if problems := list(member_problems(archive)):
                raise UnsafeZipError(path, problems)
            infos = [info for info in archive.infolist() if is_plain(info)]
            for info in infos:
                target = out / info.filename
                target.parent.mkdir(parents=True, exist_ok=True)
                with archive.open(info) as source, target.open("xb") as file:
                    shutil.copyfileobj(source, file)  # zipfile itself stops at the declared size
    except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, NotImplementedError, OSError) as error:
        problem = Problem(Path(path).name, f"cannot be unpacked ({type(error).__name__}: {error})", _REMEDY)
        raise UnsafeZipError(path, [problem]) from error
    return out / infos[0].filename.partition("/")[0]


def _is_normal(info: zipfile.ZipInfo) -> bool:
    """Whether a name has one reading: relative, printable, without ``.``, ``..``, ``//``, drives and backslashes."""
    name = info.filename.removesuffix("/") if info.is_dir() else info.filename
    whole = info.orig_filename == info.filename  # zipfile cuts a name at its first NUL
    return whole and name.isprintable() and not {"", ".", ".."} & set(name.split("/")) and not set(name) & set(":\\")
