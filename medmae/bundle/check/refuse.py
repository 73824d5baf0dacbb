"""Refusing to run a bundle that the static checks find fault with."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from medmae.bundle.check.finding import Finding, errors
from medmae.bundle.check.source import Bundle
from medmae.bundle.check.static import check_static
from medmae.bundle.check.targets import target_problems
from medmae.errors import DataError


class BundleRefusedError(DataError):
    """A bundle did not pass the static checks; nothing of it was run.

    Args:
        bundle: Its folder.
        findings: The errors.
    """

    def __init__(self, bundle: Path, findings: Sequence[Finding]) -> None:
        self.findings = list(findings)
        lines = [f"  {item.number:2d} {item.name}: {item.path}: {item.message} -> {item.remedy}" for item in findings]
        super().__init__(
            "\n".join([f"the bundle fails {len(lines)} static checks, nothing was run", *lines, ""]).rstrip(),
            path=bundle,
            remedy="\n  mend it, or run it with --trust if you trust whoever wrote it as you would a script of theirs",
        )


def require_safe(folder: Path) -> Bundle:
    """Takes about a tenth of a second; what is no error (another major version of numpy, say) is warned of.

    Returns:
        The bundle as it was checked: run what it holds, not what lies in the folder by then.

    Raises:
        BundleRefusedError: If a static check finds an error.
    """
    bundle = Bundle.open(folder)
    findings = check_static(bundle)
    found = errors(findings)
    if found:
        raise BundleRefusedError(folder, found)
    for finding in findings:
        warnings.warn(f"{finding.path}: {finding.message} -> {finding.remedy}", stacklevel=3)
    return bundle


def refuse_targets(config: Mapping[str, Any]) -> None:
    """Refuses targets that no recipe may name, wherever they come from.

    Raises:
        DataError: With the id, the target and the list that it is not on.
    """
    for problem in target_problems("", dict(config)):
        raise DataError(problem.message, field=problem.path, remedy=f"{problem.remedy}, or say --trust")
