"""Check 12: nothing of one machine, no address, no secret."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from medmae.bundle.check.definitions import Definitions, contents
from medmae.bundle.check.finding import Problem
from medmae.bundle.check.grammar import MAX_LENGTH, reference_of
from medmae.bundle.check.ids import substituted, walk
from medmae.bundle.check.source import Bundle
from medmae.bundle.check.texts import JoinedError, Texts
from medmae.bundle.check.tree import RESULTS

_ABSOLUTE = re.compile(r"/|~|[A-Za-z]:[\\/]|\\")
_HOME = re.compile(r"(?<![\w.<])/(?:root|home|Users)/[\w.]|[A-Za-z]:\\+Users\\")
_ADDRESS = re.compile(r"[A-Za-z0-9+.-]:[\\/]")  # also file:/x, which fsspec reads like /x
# What fsspec, os.path.expandvars and the file names of Lightning make of a text is not the text that was looked at.
_REWRITTEN = re.compile(r"::|\$[A-Za-z_{]|%[A-Za-z_]+%")
_NUMBER = re.compile(r"\{[\w/]+(?::[\d.]*[defg]?)?\}")
_TOKENS = re.compile(
    r"\b(?:hf_[A-Za-z0-9]{20,}|gh[opsu]_[A-Za-z0-9]{30,}|github_pat_\w{20,}|glpat-[\w-]{20,}|sk-[\w-]{20,}"
    r"|AKIA[0-9A-Z]{16}|xox[abp]-[\w-]{10,}|(?<!-)eyJ[\w-]{10,}\.eyJ[\w-]{10})|-----BEGIN [A-Z ]*PRIVATE KEY"
)
_KEYS = re.compile(r"(?:api_?key|password|passwd|secret|token)", flags=re.IGNORECASE)
_TEXTS = (".conf", ".json", ".md", ".txt", ".yaml", ".yml")


def paths(bundle: Bundle) -> Iterator[Problem]:
    """Values of the configurations, then the text of every file."""
    everything = list(contents(bundle))
    texts = Texts(Definitions(*(content for _, content in everything)))
    for where, content in everything:
        for at, value in walk(content):
            if isinstance(value, str) and value[:1] not in {"@", "%"}:  # those are looked at where they lead
                for reason in _value_reasons(value, texts):
                    yield Problem(f"{where}{at}", f"{value!r} {reason}", "give a relative path; users override it")
                if _KEYS.fullmatch(at.rpartition("::")[2]) and value and value[0] != "$":
                    yield Problem(f"{where}{at}", "looks like a secret", "take it out, and revoke it")
    for name in bundle.files:
        if name.endswith(_TEXTS) and name.partition("/")[0] not in RESULTS and bundle.is_text(name):
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


def _value_reasons(value: str, texts: Texts) -> Iterator[str]:
    try:
        found = (
            list(_texts(value, texts)) if value.startswith("$") else [(value, True)] if value[:1] not in "@%" else []
        )
    except (JoinedError, RecursionError) as error:
        yield f"{error or 'refers too deep'}: a path has to be known beforehand"
        return
    for text, first in found:
        if first and _ABSOLUTE.match(text):
            yield "is an absolute path"
        if {"..", ".git"} & set(re.split(r"[\\/]", text)):
            yield "leaves its folder"
        if _ADDRESS.search(text):
            yield "is an address: a recipe reads local files only"
        if _REWRITTEN.search(text) or "{" in _NUMBER.sub("", text):
            yield "is not taken as it stands: a variable, a format or a chain of file systems"


def _texts(expression: str, texts: Texts) -> Iterator[tuple[str, bool]]:
    """Texts in an expression, alone and joined, and whether a path could begin with them: what is added does not."""
    if len(expression) > MAX_LENGTH:
        return  # check 8 says so
    try:
        nodes = list(ast.walk(ast.parse(substituted(expression), mode="eval").body))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return  # check 8 says so
    parts = [node for node in nodes if isinstance(node, ast.Subscript)]
    names = {id(node.slice) for node in parts if reference_of(node) is not None}
    added = {id(node.right) for node in nodes if isinstance(node, ast.BinOp)}
    for node in nodes:
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in names:
            yield node.value, id(node) not in added
        elif isinstance(node, ast.BinOp):
            yield from ((text, True) for text in texts.of(node) or ())
