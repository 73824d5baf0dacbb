"""All 27 checks of a bundle, and what came of each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from medmae.bundle.check.finding import Finding, errors
from medmae.bundle.check.static import STATIC, check_static

if TYPE_CHECKING:
    from medmae.bundle.check.trial import MakeData

State = Literal["ok", "warning", "failed", "not run"]


@dataclass(frozen=True)
class Outcome:
    """What came of one check.

    Attributes:
        number: 1 to 27.
        name: In a few words.
        state: ``not run`` where an earlier check forbids it.
        findings: What is wrong.
    """

    number: int
    name: str
    state: State
    findings: list[Finding]


def check_bundle(
    path: str | Path,
    *,
    make_data: MakeData | None,
    progress: Callable[[str], None] | None = None,
) -> list[Outcome]:
    """Runs the static checks and, if none of them finds an error, the dynamic ones.

    Args:
        path: Folder or zip file of a bundle.
        make_data: Makes synthetic data, see ``data_prep.tiny.make``; None leaves the dynamic checks out.
        progress: Told of each dynamic check before it runs.

    Returns:
        One outcome a check, in order; without those that were left out.
    """
    found = check_static(path)
    outcomes = [_outcome(check.number, check.name, found) for check in STATIC]
    if make_data is None:
        return outcomes
    from medmae.bundle.check.dynamic import DYNAMIC, check_dynamic  # imports torch and MONAI

    if errors(found):
        return outcomes + [Outcome(check.number, check.name, "not run", []) for check in DYNAMIC]
    found = check_dynamic(path, make_data=make_data, progress=progress)
    return outcomes + [_outcome(check.number, check.name, found) for check in DYNAMIC]


def _outcome(number: int, name: str, found: list[Finding]) -> Outcome:
    mine = [finding for finding in found if finding.number == number]
    state: State = "failed" if errors(mine) else "warning" if mine else "ok"
    return Outcome(number, name, state, mine)
