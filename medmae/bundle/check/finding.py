"""What a check says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning"]


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong, in characters that are seen: names from elsewhere may hold commands to a terminal.

    Attributes:
        path: File inside the bundle, with ``: id`` where it is one entry of a configuration.
        message: What is wrong, as one sentence without a full stop.
        remedy: What to do.
        severity: An error makes the bundle fail; a warning does not.
    """

    path: str
    message: str
    remedy: str
    severity: Severity = "error"

    def __post_init__(self) -> None:
        for name in ("path", "message"):
            text: str = getattr(self, name)
            seen = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
            object.__setattr__(self, name, seen)


@dataclass(frozen=True)
class Finding:
    """A problem, and which check found it.

    Attributes:
        number: Of the check, 1 to 27.
        name: Of the check.
        severity: ``error`` or ``warning``.
        path: File and, in a configuration, id.
        message: What is wrong.
        remedy: What to do.
    """

    number: int
    name: str
    severity: Severity
    path: str
    message: str
    remedy: str


def found(number: int, name: str, problem: Problem) -> Finding:
    """A problem under the number and name of the check that found it."""
    return Finding(number, name, problem.severity, problem.path, problem.message, problem.remedy)


def errors(findings: list[Finding]) -> list[Finding]:
    """Those that make a bundle fail."""
    return [finding for finding in findings if finding.severity == "error"]
