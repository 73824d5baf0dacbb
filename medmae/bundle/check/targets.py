"""Check 7: every ``_target_`` is on the list, and nothing beside it changes what it does."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from medmae.bundle.check.allowed import PACKAGES, refusal
from medmae.bundle.check.definitions import TRIED, contents
from medmae.bundle.check.finding import Problem
from medmae.bundle.check.ids import walk
from medmae.bundle.check.source import METADATA, Bundle

_REMEDY = f"name a class or function of {', '.join(PACKAGES)} that docs/check.md lists"
# Arguments that switch a debugger on, or a reader's own protection off.
FORBIDDEN_ARGUMENTS = frozenset({"_debug_", "allow_pickle", "trust_remote_code", "weights_only"})
_MODES = ("default", "callable")


def targets(bundle: Bundle) -> Iterator[Problem]:
    """Targets of everything that MONAI makes objects of, and of the rest of the metadata, which have none."""
    for where, content in contents(bundle):
        yield from target_problems(where, content)
    for at, value in walk(bundle.metadata or {}):
        if at.rpartition("::")[2] == "_target_" and not at.startswith(TRIED):
            yield Problem(f"{METADATA}: {at}", f"metadata name no target, and here stands {value!r}", "leave it out")


def target_problems(where: str, content: dict[str, Any]) -> Iterator[Problem]:
    """Those of one configuration; ``where`` is what the paths of the findings begin with."""
    for at, value in walk(content):
        key = at.rpartition("::")[2]
        if key == "_target_":
            yield from _target(f"{where}{at}", value)
        elif key in FORBIDDEN_ARGUMENTS:
            yield Problem(f"{where}{at}", f"no recipe needs {key}", "leave it out")
        elif key == "_mode_" and value not in _MODES:
            yield Problem(f"{where}{at}", f"is {value!r}", f"use {' or '.join(_MODES)}")
        elif key == "_disabled_" and not isinstance(value, bool):
            yield Problem(f"{where}{at}", f"is {value!r}", "write true or false")
        elif key == "_desc_" and (not isinstance(value, str) or value[:1] in "$@%"):
            yield Problem(f"{where}{at}", "is no plain text", "write a sentence")


def _target(where: str, value: object) -> Iterator[Problem]:
    reason = refusal(value)
    if reason:
        yield Problem(where, f"{value!r} {reason}", _REMEDY)
