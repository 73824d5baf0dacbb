"""Zip files of bundles: looked at before, and unpacked without believing them."""

from __future__ import annotations

import re
import shutil
import stat
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from medmae.bundle.check.finding import Problem

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
        if not _stays_inside(info.filename):
            yield Problem(info.filename, "leaves the folder into which the zip is unpacked", _REMEDY)
        elif not is_plain(info) and not info.is_dir():
            yield Problem(info.filename, "is a link or is encrypted", _REMEDY)
        elif info.file_size > max(info.compress_size, 1) * MAX_RATIO and info.file_size > 1_000_000:
            yield Problem(info.filename, f"grows {MAX_RATIO} times or more when unpacked: a bomb", _REMEDY)
        elif info.filename in seen:
            yield Problem(info.filename, "stands twice", _REMEDY)
        seen.add(info.filename)


def is_plain(info: zipfile.ZipInfo) -> bool:
    """Whether a member is a file (no folder, no link, not encrypted) that stays inside."""
    mode = info.external_attr >> 16
    file = not info.is_dir() and stat.S_IFMT(mode) in (0, stat.S_IFREG)
    return file and not info.flag_bits & 1 and _stays_inside(info.filename)


def unpack(path: str | Path, out: str | Path) -> Path:
    """Unpacks a zip file in which :func:`member_problems` finds nothing; gives the bundle's folder.

    Raises:
        ValueError: If something is wrong with a member; nothing is written then.
    """
    out = Path(out)
    with zipfile.ZipFile(path) as archive:
        for problem in member_problems(archive):
            raise ValueError(f"{path}: {problem.path} {problem.message} -> {problem.remedy}")
        infos = [info for info in archive.infolist() if is_plain(info)]
        for info in infos:
            target = out / info.filename
            target.parent.mkdir(parents=True, exist_ok=True)
            with archive.open(info) as source, target.open("xb") as file:
                shutil.copyfileobj(source, file)  # zipfile itself stops at the declared size
    return out / PurePosixPath(infos[0].filename).parts[0]


def _stays_inside(name: str) -> bool:
    parts = PurePosixPath(name).parts
    absolute = name.startswith("/") or re.match(r"[A-Za-z]:", name) or "\\" in name or "\0" in name
    return bool(parts) and not absolute and ".." not in parts
