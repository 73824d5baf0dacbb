"""The static checks in their order: files are read, nothing is imported, instantiated or evaluated."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from medmae.bundle.check.expressions import expressions
from medmae.bundle.check.files import large_files, pages, pickles
from medmae.bundle.check.finding import Finding, Problem, found
from medmae.bundle.check.logging_conf import logging_conf
from medmae.bundle.check.metadata import changelog, packages, schema, versions
from medmae.bundle.check.paths import paths
from medmae.bundle.check.references import required, resolves
from medmae.bundle.check.source import Bundle
from medmae.bundle.check.targets import targets
from medmae.bundle.check.tree import parses, tree


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


STATIC = (
    Check(1, "tree and names", tree),
    Check(2, "files parse", parses),
    Check(3, "metadata fit the schema", schema),
    Check(4, "version and change log", changelog),
    Check(5, "versions are installed", versions),
    Check(6, "packages are declared", packages),
    Check(7, "targets are allowed", targets),
    Check(8, "expressions are allowed", expressions),
    Check(9, "references resolve", resolves),
    Check(10, "required ids", required),
    Check(11, "logging only logs", logging_conf),
    Check(12, "no paths, addresses, secrets", paths),
    Check(13, "large files", large_files),
    Check(14, "licence and page", pages),
    Check(15, "no pickles", pickles),
)


def check_static(bundle: Bundle | str | Path) -> list[Finding]:
    """All static checks of a bundle.

    Args:
        bundle: As it was opened, or its folder.
    """
    bundle = bundle if isinstance(bundle, Bundle) else Bundle.open(bundle)
    return [finding for check in STATIC for finding in check(bundle)]
