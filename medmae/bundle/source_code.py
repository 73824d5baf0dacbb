"""Classes and functions as their source has them: found without importing them, which takes seconds."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path

Definition = ast.ClassDef | ast.FunctionDef
_PACKAGES = ("medmae", "pytorch_lightning")


@cache
def definition(target: str) -> tuple[str, Definition] | None:
    """A class or a function with the module that defines it, wherever it is imported from.

    Args:
        target: Dotted name.

    Returns:
        None if it is not of medmae or Lightning, or none stands there.
    """
    module, _, name = target.rpartition(".")
    tree = _parsed(module)
    if tree is None:
        return None
    # What a package imports only when it is asked for stands under `if TYPE_CHECKING`.
    deferred = [one for node in tree.body if isinstance(node, ast.If) for one in node.body]
    for node in [*tree.body, *deferred]:
        if isinstance(node, Definition) and node.name == name:
            return module, node
        if isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                if name == (alias.asname or alias.name):
                    return definition(f"{node.module}.{alias.name}")
    return None


def full_name(module: str, node: ast.expr) -> str | None:
    """Dotted name of what ``Name``, ``Name[...]`` or ``package.Name`` in a module is, for :func:`definition`."""
    if isinstance(node, ast.Subscript):  # of a generic class
        node = node.value
    if isinstance(node, ast.Name):
        return f"{module}.{node.id}"
    tree = _parsed(module)
    if not isinstance(node, ast.Attribute) or not isinstance(node.value, ast.Name) or tree is None:
        return None
    imports = [alias for line in tree.body if isinstance(line, ast.Import) for alias in line.names]
    found = [alias.name for alias in imports if node.value.id == (alias.asname or alias.name)]
    return f"{found[0]}.{node.attr}" if found else None


def constructors(node: ast.ClassDef) -> list[ast.FunctionDef]:
    """Its own ``__init__``, if it has one."""
    return [one for one in node.body if isinstance(one, ast.FunctionDef) and one.name == "__init__"]


def names(node: ast.expr) -> Iterator[str]:
    """Names in an expression."""
    return (one.id for one in ast.walk(node) if isinstance(one, ast.Name))


@cache
def _parsed(module: str) -> ast.Module | None:
    package, *rest = module.split(".")
    if package not in _PACKAGES or re.fullmatch(r"\w+(?:\.\w+)*", module) is None:
        return None
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        return None
    path = Path(spec.submodule_search_locations[0]).joinpath(*rest)
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    return ast.parse(file.read_text(encoding="utf-8")) if file.is_file() else None
