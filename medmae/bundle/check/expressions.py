"""Check 8: every ``$`` is inside the grammar, every macro inside the configuration."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

from medmae.bundle.check.definitions import Definitions, contents
from medmae.bundle.check.finding import Problem
from medmae.bundle.check.grammar import expression_refusal, reference_refusal
from medmae.bundle.check.ids import normal, recipes, references, walk
from medmae.bundle.check.imports import import_refusal, imported, is_import
from medmae.bundle.check.source import METADATA, SUFFIXES, Bundle

_REMEDY = "docs/check.md says what an expression may hold; put the rest into a function of medmae"


def expressions(bundle: Bundle) -> Iterator[Problem]:
    """Expressions, references and macros of all configurations, and of the metadata, which may have none."""
    known = Definitions(*(content for _, content in contents(bundle)))
    trees = {recipe.path: recipe.tree for recipe in recipes(bundle)}
    for path, content in bundle.configs.items():
        tree = trees.get(path, content)
        for at, reason in expression_problems(content, imported(tree.get("imports")), known.within(tree)):
            yield Problem(f"{path}: {at}", reason, _REMEDY)
    for at, value in walk(bundle.metadata or {}):
        if isinstance(value, str) and value[:1] in ("$", "@", "%"):
            yield Problem(f"{METADATA}: {at}", "metadata hold no expression", "write the value")


def expression_problems(
    content: Mapping[str, Any], names: Mapping[str, str], known: Definitions
) -> Iterator[tuple[str, str]]:
    """Ids and reasons for one configuration.

    Args:
        content: Of the file.
        names: What its import lines make.
        known: What references may be.
    """
    for at, value in walk(content):
        is_line = at.startswith("imports::") and at.count("::") == 1
        if is_line and not (isinstance(value, str) and value.startswith("$")):
            yield at, f"{value!r} is no import line"
        elif isinstance(value, str) and (reason := _refusal(value, names, known, is_line=is_line)):
            yield at, f"{value!r} {reason}"
    if not isinstance(content.get("imports", []), list):
        yield "imports", "is no list of import lines"


def _refusal(value: str, names: Mapping[str, str], known: Definitions, *, is_line: bool) -> str | None:
    if is_line:
        return import_refusal(value[1:])
    if value.startswith("$"):
        return "imports outside `imports`" if is_import(value) else expression_refusal(value, names, known)
    if value.startswith("%"):
        return _macro_refusal(normal(value)[1:])
    if value.startswith("@"):
        return next((reason for reason in map(reference_refusal, references(value)) if reason), None)
    return None


def _macro_refusal(target: str) -> str | None:
    if any(suffix in target.lower() for suffix in SUFFIXES):
        path = PurePosixPath(target.partition("::")[0])
        if path.is_absolute() or ".." in path.parts:
            return "takes a file from outside the bundle"
        # MONAI opens it relative to the working directory: nobody knows today what will lie there.
        return "takes a file from the working directory, not from the bundle; merge it instead (train,other)"
    return reference_refusal(target)
