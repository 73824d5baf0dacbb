"""What an argument of medmae's classes and functions means: read from their documentation, without importing them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from inspect import cleandoc

from medmae.bundle.source_code import Definition, constructors, definition, names

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
    found = definition(target)
    if found is None:
        return None
    module, node = found
    entries = dict(_ENTRY.findall("".join(_SECTION.findall(f"{cleandoc(ast.get_docstring(node) or '')}\n"))))
    if argument in entries:
        text = " ".join(_SHORT.sub(r"\1", entries[argument]).replace("``", "").split())
        return text.removesuffix(".")
    behind = (meaning(f"{module}.{name}", argument) for name in _behind(node))
    return next((said for said in behind if said), None)


def _behind(node: Definition) -> Iterator[str]:
    """Names of what takes the other arguments: unpacked types, base classes, what a function returns."""
    functions = [node] if isinstance(node, ast.FunctionDef) else constructors(node)
    for function in functions:
        rest = function.args.kwarg
        if rest is not None and isinstance(rest.annotation, ast.Subscript):
            yield from names(rest.annotation.slice)
    yield from (name for base in getattr(node, "bases", []) for name in names(base))
    if isinstance(node, ast.FunctionDef) and node.returns is not None:
        yield from names(node.returns)
