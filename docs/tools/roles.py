"""What docstrings hold beside Google's sections, as Markdown: roles become links, examples become code.

A role, such as ``:func:`medmae.create```, that names nothing is an error of the build, as a broken link is.
"""

from __future__ import annotations

import ast
import importlib.util
import re
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import griffe

ROLE = re.compile(r":(?:attr|class|data|func|meth|mod):`~?([\w.]+)`")
EXAMPLE = re.compile(r"^>>> .+(?:\n.+)*", flags=re.MULTILINE)
OURS = ("medmae", "data_prep")
NOT_SHOWN = "medmae.cli"


class Roles(griffe.Extension):
    """Rewrites all docstrings of a package once it was read."""

    def on_package(self, *, pkg: griffe.Module, loader: griffe.GriffeLoader, **_: Any) -> None:
        """Called by griffe."""
        if pkg.path not in OURS:
            return
        names = Names(pkg, loader)
        for obj in names.objects:
            if obj.docstring is not None:
                obj.docstring.value = rewritten(obj.docstring.value, obj, names)


class Names:
    """All that a package defines, by its path and by the end of that.

    Attributes:
        objects: Modules, classes, functions and attributes.
    """

    def __init__(self, package: griffe.Module, loader: griffe.GriffeLoader) -> None:
        self.objects = list(_walk(package))
        self.collection = loader.modules_collection
        self.ends: dict[str, list[str]] = defaultdict(list)
        for obj in self.objects:
            self.ends[obj.name].append(obj.path)
            if obj.parent is not None:
                self.ends[f"{obj.parent.name}.{obj.name}"].append(obj.path)

    def find(self, name: str, obj: griffe.Object) -> str | None:
        """The path of what a docstring of ``obj`` calls ``name``; None if there is no such thing.

        Looked for as Python would where the docstring stands, among what its class inherits, then in the whole package,
        where it must be the only one, then among other packages.
        """
        if name.startswith("."):
            return f"{_package(obj).path}{name}"
        head, dot, rest = name.partition(".")
        owner = obj if obj.is_class else obj.parent
        if isinstance(owner, griffe.Class) and head in owner.all_members:
            return f"{owner.all_members[head].canonical_path}{dot}{rest}"
        try:
            return f"{obj.resolve(head)}{dot}{rest}"
        except griffe.NameResolutionError:
            if len(self.ends[name]) == 1:
                return self.ends[name][0]
            return name if head in OURS or importlib.util.find_spec(head) else None

    def is_shown(self, path: str) -> bool:
        """Whether the site has it; what does not exist counts as shown, so that the build finds the link broken."""
        if not path.startswith(OURS):
            return False
        try:
            found = self.collection[path]
        except KeyError:
            return True
        hidden = path.startswith(NOT_SHOWN) or any(part.startswith("_") for part in path.split("."))
        return found.has_docstring and not hidden


def rewritten(text: str, obj: griffe.Object, names: Names) -> str:
    """A docstring as Markdown."""

    def link(role: re.Match[str]) -> str:
        code = f"`{role[1].lstrip('.')}`"
        path = names.find(role[1], obj)
        if path is None and role[1] in _unpacked(obj.module.filepath):
            return code
        return f"[{code}][{path or role[1]}]" if path is None or names.is_shown(path) else code

    return EXAMPLE.sub(r"```pycon\n\g<0>\n```", ROLE.sub(link, text))


@cache
def _unpacked(file: Path) -> frozenset[str]:
    """Names that a module assigns several at a time (``a, self.b = ...``), of which griffe knows nothing."""
    nodes = ast.walk(ast.parse(file.read_text(encoding="utf-8")))
    targets = [target for node in nodes if isinstance(node, ast.Assign) for target in node.targets]
    parts = [part for target in targets if isinstance(target, ast.Tuple) for part in target.elts]
    names = [getattr(part, "id", None) or getattr(part, "attr", None) for part in parts]
    return frozenset(name for name in names if name)


def _walk(obj: griffe.Object) -> Iterator[griffe.Object]:
    yield obj
    for member in obj.members.values():
        if isinstance(member, griffe.Object):  # an alias stands for what is defined elsewhere
            yield from _walk(member)


def _package(obj: griffe.Object) -> griffe.Module:
    module = obj.module
    return module if module.is_init_module or module.parent is None else module.parent.module
