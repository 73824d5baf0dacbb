"""A bundle as the checks see it, and as it is then run: names, sizes, and texts that are read once."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import IO, Any

from medmae.bundle.check.documents import load
from medmae.bundle.check.finding import Problem

MAX_TEXT = 1_000_000  # bytes
MAX_CONFIG = 200_000  # bytes; the largest recipe of the zoo has 20 000, and every run of a bundle reads all of them
SUFFIXES = (".yaml", ".yml", ".json")
METADATA = "configs/metadata.json"
# Some readers end a line at these and others do not, some drop them, and some show what follows in another order.
_HIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ufeff]")
_MAX_DEPTH = 30  # folders in one another
_HISTORY = ".git"  # left out where git itself puts it, at the top; anywhere else such a folder is looked into


@dataclass
class Bundle:
    """The files of a bundle. Reading one never runs anything, and a text is read from the disk once.

    Attributes:
        folder: Where it lies.
        files: Size in bytes by path relative to the bundle, with ``/``.
        problems: Entries that are no plain files (links, pipes), and folders that lie too deep.
    """

    folder: Path
    files: dict[str, int]
    problems: list[Problem] = field(default_factory=list)
    _texts: dict[str, str] = field(default_factory=dict)

    @classmethod
    def open(cls, path: str | Path) -> Bundle:
        """A bundle from its folder."""
        folder = Path(path).resolve()
        files: dict[str, int] = {}
        problems: list[Problem] = []
        for entry in _walk(folder, leave_out=_HISTORY):
            name = entry.relative_to(folder).as_posix()
            status = entry.lstat()
            if stat.S_ISREG(status.st_mode):
                files[name] = status.st_size
            elif stat.S_ISDIR(status.st_mode):
                problems.append(Problem(name, f"lies more than {_MAX_DEPTH} folders deep", "put it higher up"))
            else:
                problems.append(Problem(name, "is a link or a special file", "put the file itself there"))
        return cls(folder, files, problems)

    @property
    def name(self) -> str:
        """Of its folder."""
        return self.folder.name

    def opener(self, name: str) -> IO[bytes]:
        """Opens one of its files."""
        return (self.folder / name).open("rb")

    def text(self, name: str) -> str:
        """A text file, in UTF-8 whatever the locale; what it is at first it stays.

        Raises:
            ValueError: If it is too large, not UTF-8, or holds characters that readers of text do not agree upon.
        """
        if name not in self._texts:
            if not self.is_text(name):
                raise ValueError(f"{self.files[name]} bytes; such a file of a bundle has at most {_limit(name)}")
            with self.opener(name) as file:
                text = file.read(_limit(name)).decode("utf-8").replace("\r\n", "\n")
            if hidden := _HIDDEN.search(text):
                line = text.count("\n", 0, hidden.start()) + 1
                raise ValueError(
                    f"line {line} holds the character U+{ord(hidden[0]):04X}, which readers do not agree upon"
                )
            self._texts[name] = text
        return self._texts[name]

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

    def config(self, name: str) -> dict[str, Any]:
        """Content of the configuration of this name, without suffix."""
        return next(content for path, content in self.configs.items() if PurePosixPath(path).stem == name)

    @cached_property
    def _parsed(self) -> dict[str, tuple[Any, str | None]]:
        names = [name for name in self.files if _is_config(name) or declares_large_files(name)]
        return {name: self._parse(name) for name in sorted(names)}

    def _parse(self, name: str) -> tuple[Any, str | None]:
        try:
            content = load(self.text(name), json_format=name.lower().endswith(".json"))
        except ValueError as error:
            return None, str(error)
        if not isinstance(content, dict):
            return None, "is no mapping of keys to values"
        strange = next((key for key in content if not isinstance(key, str)), None)
        return (content, None) if strange is None else (None, f"key {strange!r} is no text: put it into quotes")


def declares_large_files(name: str) -> bool:
    """Whether MONAI's command that downloads large files would read this file."""
    return re.fullmatch(r"large_files[^/]*\.(yml|yaml|json)", name) is not None


def _limit(name: str) -> int:
    return MAX_CONFIG if _is_config(name) or declares_large_files(name) else MAX_TEXT


def _is_config(name: str) -> bool:
    return name.startswith("configs/") and name.lower().endswith(SUFFIXES)


def _walk(folder: Path, *, leave_out: str = "", depth: int = 0) -> Iterator[Path]:
    """Everything that is no folder, and folders that lie too deep, which are not looked into."""
    with os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name):
            if entry.name == leave_out:
                continue
            if entry.is_dir(follow_symlinks=False) and depth < _MAX_DEPTH:
                yield from _walk(Path(entry.path), depth=depth + 1)
            else:
                yield Path(entry.path)
