"""Check 12: nothing of one machine, no address, no secret."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from medmae.bundle.check.finding import Problem
from medmae.bundle.check.ids import substituted, walk
from medmae.bundle.check.source import MAX_TEXT, Bundle
from medmae.bundle.check.tree import RESULTS

_ABSOLUTE = re.compile(r"/|~|[A-Za-z]:[\\/]|\\\\")
_HOME = re.compile(r"(?<![\w.<])/(?:root|home|Users)/[\w.]|[A-Za-z]:\\+Users\\")
_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]*://", flags=re.IGNORECASE)
_TOKENS = re.compile(
    r"\b(?:hf_[A-Za-z0-9]{20,}|gh[opsu]_[A-Za-z0-9]{30,}|github_pat_\w{20,}|glpat-[\w-]{20,}|sk-[\w-]{20,}"
    r"|AKIA[0-9A-Z]{16}|xox[abp]-[\w-]{10,}|eyJ[\w-]{10,}\.eyJ[\w-]{10,})|-----BEGIN [A-Z ]*PRIVATE KEY"
)
_KEYS = re.compile(r"(?:api_?key|password|passwd|secret|token)", flags=re.IGNORECASE)
_TEXTS = (".conf", ".json", ".md", ".txt", ".yaml", ".yml")


def paths(bundle: Bundle) -> Iterator[Problem]:
    """Values of the configurations, then the text of every file."""
    for path, content in bundle.configs.items():
        for at, value in walk(content):
            if isinstance(value, str):
                for reason in _value_reasons(value):
                    yield Problem(f"{path}: {at}", f"{value!r} {reason}", "give a relative path; users override it")
                if _KEYS.fullmatch(at.rpartition("::")[2]) and value and value[0] not in "@$":
                    yield Problem(f"{path}: {at}", "looks like a secret", "take it out, and revoke it")
    for name in bundle.files:
        if name.endswith(_TEXTS) and name.partition("/")[0] not in RESULTS and bundle.files[name] <= MAX_TEXT:
            yield from _text(bundle, name)


def _text(bundle: Bundle, name: str) -> Iterator[Problem]:
    try:
        lines = bundle.text(name).splitlines()
    except ValueError as error:
        yield Problem(name, f"is no UTF-8 text ({error})", "save it as UTF-8")
        return
    for number, line in enumerate(lines, start=1):
        if _HOME.search(line):
            yield Problem(name, f"line {number} holds a path of somebody's home", "write PATH/TO instead")
        if _TOKENS.search(line):
            yield Problem(name, f"line {number} looks like a secret", "take it out, and revoke it")


def _value_reasons(value: str) -> Iterator[str]:
    texts = _starts(value) if value.startswith("$") else [(value, True)]
    for text, first in texts:
        if first and _ABSOLUTE.match(text):
            yield "is an absolute path"
        if ".." in re.split(r"[\\/]", text):
            yield "leaves its folder"
        if _ADDRESS.search(text):
            yield "is an address: a recipe reads local files only"


def _starts(expression: str) -> list[tuple[str, bool]]:
    """Texts in an expression, and whether a path could begin with them: what is added to something does not."""
    try:
        tree = ast.parse(substituted(expression), mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return [(expression[1:], False)]
    added = {id(node.right) for node in ast.walk(tree) if isinstance(node, ast.BinOp)}
    keys = {id(node.slice) for node in ast.walk(tree) if isinstance(node, ast.Subscript)}
    texts = [node for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    return [(str(node.value), id(node) not in added) for node in texts if id(node) not in keys]
