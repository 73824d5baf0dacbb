"""A bundle as the checks see it: names, sizes and bytes, from a folder or from inside a zip file."""

from __future__ import annotations

import os
import re
import stat
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import IO, Any

from medmae.bundle.check.documents import load
from medmae.bundle.check.finding import Problem
from medmae.bundle.check.zipped import is_plain, member_problems

MAX_TEXT = 1_000_000  # bytes
MAX_CONFIG = 200_000  # bytes; the largest recipe of the zoo has 20 000, and every run of a bundle reads all of them
SUFFIXES = (".yaml", ".yml", ".json")
METADATA = "configs/metadata.json"
_HISTORY = ".git"  # left out where git itself puts it, at the top; anywhere else such a folder is looked into


@dataclass
class Bundle:
    """The files of a bundle. Reading one never runs anything.

    Attributes:
        name: Of its folder.
        files: Size in bytes by path relative to the bundle, with ``/``.
        opener: Opens one of them.
        problems: Entries that are no plain files (links, members that leave the folder).
        folder: Where it lies; None inside a zip file.
    """

    name: str
    files: dict[str, int]
    opener: Callable[[str], IO[bytes]]
    problems: list[Problem] = field(default_factory=list)
    folder: Path | None = None

    @classmethod
    def open(cls, path: str | Path) -> Bundle:
        """A bundle from its folder, or from a zip file, which is not unpacked.

        Raises:
            ValueError: If it is neither.
        """
        path = Path(path)
        if path.is_dir():
            return _from_folder(path.resolve())
        if zipfile.is_zipfile(path):
            return _from_zip(path)
        raise ValueError(f"{path} is neither a folder nor a zip file")

    def text(self, name: str) -> str:
        """A text file.

        Raises:
            ValueError: If it is too large or not UTF-8.
        """
        if not self.is_text(name):
            raise ValueError(f"{self.files[name]} bytes; such a file of a bundle has at most {_limit(name)}")
        with self.opener(name) as file:
            return file.read(_limit(name)).decode("utf-8")

    def is_text(self, name: str) -> bool:
        """Whether a file is small enough to be read as text."""
        return self.files[name] <= _limit(name)

    @cached_property
    def documents(self) -> dict[str, Any]:
        """Content of every configuration file that parses, by path; see :attr:`unreadable` for the others."""
        return {name: content for name, (content, error) in self._parsed.items() if error is None}

    @cached_property
    def unreadable(self) -> dict[str, str]:
        """What is wrong with the configuration files that do not parse, by path."""
        return {name: error for name, (_, error) in self._parsed.items() if error is not None}

    @property
    def metadata(self) -> dict[str, Any] | None:
        """``metadata.json``, or None if there is none that can be read."""
        return self.documents.get(METADATA)

    @property
    def configs(self) -> dict[str, dict[str, Any]]:
        """Content of every configuration other than the metadata, by path."""
        return {name: content for name, content in self.documents.items() if _is_config(name) and name != METADATA}

    @cached_property
    def _parsed(self) -> dict[str, tuple[Any, str | None]]:
        names = [name for name in self.files if _is_config(name) or declares_large_files(name)]
        return {name: self._parse(name) for name in sorted(names)}

    def _parse(self, name: str) -> tuple[Any, str | None]:
        try:
            content = load(self.text(name), json_format=name.lower().endswith(".json"))
        except ValueError as error:
            return None, str(error)
        return (content, None) if isinstance(content, dict) else (None, "is no mapping of keys to values")


def declares_large_files(name: str) -> bool:
    """Whether MONAI's command that downloads large files would read this file."""
    return re.fullmatch(r"large_files[^/]*\.(yml|yaml|json)", name) is not None


def _limit(name: str) -> int:
    return MAX_CONFIG if _is_config(name) or declares_large_files(name) else MAX_TEXT


def _is_config(name: str) -> bool:
    return name.startswith("configs/") and name.lower().endswith(SUFFIXES)


def _from_folder(folder: Path) -> Bundle:
    files: dict[str, int] = {}
    problems: list[Problem] = []
    for path in _walk(folder, leave_out=_HISTORY):
        name = path.relative_to(folder).as_posix()
        status = path.lstat()
        if stat.S_ISREG(status.st_mode):
            files[name] = status.st_size
        else:
            problems.append(Problem(name, "is a link or a special file", "put the file itself there"))
    return Bundle(folder.name, files, lambda name: (folder / name).open("rb"), problems, folder)


def _walk(folder: Path, *, leave_out: str = "") -> Iterator[Path]:
    with os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name):
            if entry.name == leave_out:
                continue
            if entry.is_dir(follow_symlinks=False):
                yield from _walk(Path(entry.path))
            else:
                yield Path(entry.path)


def _from_zip(path: Path) -> Bundle:
    archive = zipfile.ZipFile(path)
    problems = list(member_problems(archive))
    members = [info for info in archive.infolist() if is_plain(info)]
    tops = {PurePosixPath(info.filename).parts[0] for info in members}
    if len(tops) != 1:
        problems.append(Problem(path.name, "has not one folder at its top", "zip the folder of the bundle itself"))
        return Bundle(path.stem, {}, lambda name: archive.open(name), problems)
    top = tops.pop()
    files = {info.filename.removeprefix(f"{top}/"): info.file_size for info in members}
    return Bundle(top, files, lambda name: archive.open(f"{top}/{name}"), problems)
