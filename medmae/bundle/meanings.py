"""What an argument of medmae's classes and functions means: read from their documentation, without importing them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from inspect import cleandoc
from pathlib import Path

import medmae

_ROOT = Path(medmae.__file__).resolve().parent.parent
_Definition = ast.ClassDef | ast.FunctionDef
_SECTION = re.compile(r"^(?:Args|Attributes):\n((?:[ \t]+.*\n|\n)+)", re.MULTILINE)
_ENTRY = re.compile(r"^ {4}(\w+): (.*(?:\n {5,}.*)*)", re.MULTILINE)
_SHORT = re.compile(r":\w+(?::\w+)?:`~?(?:[\w.]+\.)?(\w+)`")  # a cross-reference by its last name


def meaning(target: str, argument: str) -> str | None:
    """What the documentation of a class or a function, or of what it passes an argument on to, says of the argument.

    Args:
        target: Dotted name, such as ``medmae.recipes.Pretraining``.
        argument: Name of the argument.

    Returns:
        A sentence without a full stop; None if nothing is said, or the target is not of medmae.
    """
    found = _definition(target)
    if found is None:
        return None
    module, node = found
    entries = dict(_ENTRY.findall("".join(_SECTION.findall(f"{cleandoc(ast.get_docstring(node) or '')}\n"))))
    if argument in entries:
        text = " ".join(_SHORT.sub(r"\1", entries[argument]).replace("``", "").split())
        return text.removesuffix(".")
    behind = (meaning(f"{module}.{name}", argument) for name in _behind(node))
    return next((said for said in behind if said), None)


def _behind(node: _Definition) -> Iterator[str]:
    """Names of what takes the other arguments: unpacked types, base classes, what a function returns."""
    functions = [node] if isinstance(node, ast.FunctionDef) else _constructors(node)
    for function in functions:
        rest = function.args.kwarg
        if rest is not None and isinstance(rest.annotation, ast.Subscript):
            yield from _names(rest.annotation.slice)
    yield from (name for base in getattr(node, "bases", []) for name in _names(base))
    if isinstance(node, ast.FunctionDef) and node.returns is not None:
        yield from _names(node.returns)


def _constructors(node: ast.ClassDef) -> list[ast.FunctionDef]:
    return [one for one in node.body if isinstance(one, ast.FunctionDef) and one.name == "__init__"]


def _names(node: ast.expr) -> Iterator[str]:
    return (one.id for one in ast.walk(node) if isinstance(one, ast.Name))


@cache
def _definition(target: str) -> tuple[str, _Definition] | None:
    """A class or a function with the module that defines it, wherever it is imported from."""
    module, _, name = target.rpartition(".")
    tree = _parsed(module)
    if tree is None:
        return None
    # What a package imports only when it is asked for stands under `if TYPE_CHECKING`.
    deferred = [one for node in tree.body if isinstance(node, ast.If) for one in node.body]
    for node in [*tree.body, *deferred]:
        if isinstance(node, _Definition) and node.name == name:
            return module, node
        if isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                if name == (alias.asname or alias.name):
                    return _definition(f"{node.module}.{alias.name}")
    return None


@cache
def _parsed(module: str) -> ast.Module | None:
    """Source of a module of medmae."""
    if re.fullmatch(r"medmae(?:\.\w+)*", module) is None:
        return None
    path = _ROOT.joinpath(*module.split("."))
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    return ast.parse(file.read_text(encoding="utf-8")) if file.is_file() else None
