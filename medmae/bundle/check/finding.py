"""What a check says."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from medmae.bundle.check.source import Bundle

Severity = Literal["error", "warning"]


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong.

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


@dataclass(frozen=True)
class Check:
    """A numbered check that looks at files and evaluates nothing.

    Attributes:
        number: 1 to 15.
        name: In a few words.
        function: Yields what is wrong.
    """

    number: int
    name: str
    function: Callable[[Bundle], Iterator[Problem]]

    def __call__(self, bundle: Bundle) -> list[Finding]:
        """All its findings in a bundle; that it cannot be made is one, too: no reason to run a bundle."""
        try:
            problems = list(dict.fromkeys(self.function(bundle)))
        except (ImportError, OSError):
            raise  # of this installation or machine, not of the bundle
        except Exception as error:  # a bundle may hold anything
            problems = [
                Problem(".", f"cannot be checked ({type(error).__name__}: {error})", "mend what is unusual in it")
            ]
        return [found(self.number, self.name, problem) for problem in problems]


def found(number: int, name: str, problem: Problem) -> Finding:
    """A problem under the number and name of the check that found it."""
    return Finding(number, name, problem.severity, problem.path, problem.message, problem.remedy)


def errors(findings: list[Finding]) -> list[Finding]:
    """Those that make a bundle fail."""
    return [finding for finding in findings if finding.severity == "error"]
