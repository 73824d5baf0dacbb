"""Names of the arguments that a class or a function takes, by its source: enough to refuse one that is misspelt.

What :func:`medmae.arguments.arguments` tells of an imported class, with its defaults, these are the names of.
"""

from __future__ import annotations

import ast

from medmae.bundle.source_code import Definition, constructors, definition, full_name

Names = frozenset[str]


def argument_names(target: str) -> Names | None:
    """Names that a class or a function takes, also those that it passes on.

    Args:
        target: Dotted name, such as ``medmae.recipes.Trainer``.

    Returns:
        None if its source does not tell, or it takes any name.
    """
    found = definition(target)
    if found is None:
        return None
    module, node = found
    if isinstance(node, ast.FunctionDef):
        return _taken(module, node, behind=[node.returns] if node.returns else [])
    own = constructors(node)
    if own:
        return _taken(module, own[0], behind=node.bases)
    if any("dataclass" in ast.unparse(one) for one in node.decorator_list):
        return _fields(module, node)
    return _of_first(module, node.bases)


def _taken(module: str, function: ast.FunctionDef, *, behind: list[ast.expr]) -> Names | None:
    given = function.args
    own = frozenset(one.arg for one in (*given.posonlyargs, *given.args, *given.kwonlyargs)) - {"self"}
    if given.kwarg is None:
        return own
    hint = given.kwarg.annotation
    if isinstance(hint, ast.Subscript) and ast.unparse(hint.value) == "Unpack":
        found = definition(full_name(module, hint.slice) or "")
        rest = _fields(*found) if found else None
    else:
        rest = _of_first(module, behind)
    return None if rest is None else own | rest


def _of_first(module: str, behind: list[ast.expr]) -> Names | None:
    return argument_names(full_name(module, behind[0]) or "") if behind else None


def _fields(module: str, node: Definition) -> Names | None:
    """Of a dataclass or a ``TypedDict``, with those of its bases that are of the same kind."""
    assert isinstance(node, ast.ClassDef)
    found: Names = frozenset()
    for base in node.bases:
        above = definition(full_name(module, base) or "")
        found |= (_fields(*above) or frozenset()) if above else frozenset()
    for line in node.body:
        if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name):
            value = "" if line.value is None else ast.unparse(line.value)
            set_ = "ClassVar" not in ast.unparse(line.annotation) and "init=False" not in value
            found = found | {line.target.id} if set_ else found - {line.target.id}
    return found
