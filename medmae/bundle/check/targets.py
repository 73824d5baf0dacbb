"""Check 7: every ``_target_`` is on the list, and nothing beside it changes what it does."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from medmae.bundle.check.allowed import PACKAGES, refusal
from medmae.bundle.check.finding import Problem
from medmae.bundle.check.ids import walk
from medmae.bundle.check.source import METADATA, Bundle

_REMEDY = f"name a class or function of {', '.join(PACKAGES)} that docs/check.md lists"
# Arguments that switch a debugger on, or a reader's own protection off.
FORBIDDEN_ARGUMENTS = frozenset({"_debug_", "allow_pickle", "trust_remote_code", "weights_only"})
_MODES = ("default", "callable")


def targets(bundle: Bundle) -> Iterator[Problem]:
    """Targets of all configurations, and of the metadata, which MONAI parses as a part of them."""
    for path, content in bundle.configs.items():
        yield from target_problems(path, content)
    for at, value in walk(bundle.metadata or {}):
        if at.startswith("medmae_check::") and at.endswith("_target_"):
            yield from _target(METADATA, at, value)
        elif at.rpartition("::")[2] == "_target_":
            yield Problem(f"{METADATA}: {at}", "metadata name no target", "move it into a recipe")


def target_problems(path: str, content: dict[str, Any]) -> Iterator[Problem]:
    """Those of one configuration."""
    for at, value in walk(content):
        key = at.rpartition("::")[2]
        if key == "_target_":
            yield from _target(path, at, value)
        elif key in FORBIDDEN_ARGUMENTS:
            yield Problem(f"{path}: {at}", f"no recipe needs {key}", "leave it out")
        elif key == "_mode_" and value not in _MODES:
            yield Problem(f"{path}: {at}", f"is {value!r}", f"use {' or '.join(_MODES)}")
        elif key == "_disabled_" and not isinstance(value, bool):
            yield Problem(f"{path}: {at}", f"is {value!r}", "write true or false")
        elif key == "_desc_" and (not isinstance(value, str) or value[:1] in "$@%"):
            yield Problem(f"{path}: {at}", "is no plain text", "write a sentence")


def _target(path: str, at: str, value: object) -> Iterator[Problem]:
    reason = refusal(value)
    if reason:
        yield Problem(f"{path}: {at}", f"{value!r} {reason}", _REMEDY)
