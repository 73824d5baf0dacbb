"""All 27 checks of a bundle, and what came of each."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from medmae.bundle.check.finding import Finding, errors
from medmae.bundle.check.finding import found as finding_of
from medmae.bundle.check.source import Bundle
from medmae.bundle.check.static import STATIC, check_static
from medmae.bundle.check.zipped import UnsafeZipError, unpack

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

    A zip file is unpacked first, if nothing is wrong with its members: what is checked is what would be run.

    Args:
        path: Folder or zip file of a bundle.
        make_data: Makes synthetic data, see ``data_prep.tiny.make``; None leaves the dynamic checks out.
        progress: Told of each dynamic check before it runs.

    Returns:
        One outcome a check, in order; without those that were left out.
    """
    if Path(path).is_dir():
        return _check(Path(path), make_data, progress)
    with tempfile.TemporaryDirectory(prefix="medmae-check-") as work:
        try:
            folder = unpack(path, work)
        except UnsafeZipError as error:
            first, *others = STATIC
            found = [finding_of(first.number, first.name, problem) for problem in error.problems]
            failed = Outcome(first.number, first.name, "failed", found)
            return [failed, *(Outcome(check.number, check.name, "not run", []) for check in others)]
        return _check(folder, make_data, progress)


def _check(folder: Path, make_data: MakeData | None, progress: Callable[[str], None] | None) -> list[Outcome]:
    bundle = Bundle.open(folder)
    found = check_static(bundle)
    outcomes = [_outcome(check.number, check.name, found) for check in STATIC]
    if make_data is None:
        return outcomes
    from medmae.bundle.check.dynamic import DYNAMIC, check_dynamic  # imports torch and MONAI

    if errors(found):
        return outcomes + [Outcome(check.number, check.name, "not run", []) for check in DYNAMIC]
    found = check_dynamic(bundle, make_data=make_data, progress=progress)
    return outcomes + [_outcome(check.number, check.name, found) for check in DYNAMIC]


def _outcome(number: int, name: str, found: list[Finding]) -> Outcome:
    mine = [finding for finding in found if finding.number == number]
    state: State = "failed" if errors(mine) else "warning" if mine else "ok"
    return Outcome(number, name, state, mine)
