"""Commands as the pages print them, for tests that parse them and for one that types them."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGES = (
    ROOT / "README.md",
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "bundles").glob("*/docs/README.md")),
)
_COMMENT = re.compile(r"""\s+#\s(?=[^'"]*(?:'[^']*'[^'"]*|"[^"]*"[^'"]*)*$).*$""")  # outside of quotes
_SHELLS = ("", "sh", "bash", "console")


@dataclass(frozen=True)
class Command:
    """One of a page.

    Attributes:
        page: Path below the repository.
        line: Number of the line where it begins.
        text: As printed, without its comment; lines that it goes on over are joined.
    """

    page: str
    line: int
    text: str

    @property
    def words(self) -> list[str]:
        """As a shell would split it; variables stay."""
        return shlex.split(self.text, comments=True)

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def commands(page: Path) -> list[Command]:
    """Of a page."""
    return commands_of(page.read_text(encoding="utf-8"), page=str(page.relative_to(ROOT)))


def commands_of(text: str, *, page: str) -> list[Command]:
    """Those of the shell blocks of a text: medmae's, MONAI's, and what sets a variable for them."""
    found, fence = [], None
    rest = iter(enumerate(text.split("\n"), start=1))
    for number, line in rest:
        if line.startswith("```"):
            fence = line[3:].strip() if fence is None else None
        elif fence in _SHELLS:
            while line.endswith("\\"):
                line = f"{line[:-1].rstrip()} {next(rest)[1].strip()}"
            line = _COMMENT.sub("", line).strip()
            if re.match(r"medmae |python -m monai\.bundle |[A-Z]+=\S+$", line):
                found.append(Command(page, number, line))
    return found
