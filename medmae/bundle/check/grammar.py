"""What a ``$`` expression may be: decided on its syntax tree, on exactly the text that MONAI would evaluate."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping

from medmae.bundle.check.allowed import BUILTINS, refusal_in_expression
from medmae.bundle.check.definitions import Definitions
from medmae.bundle.check.ids import references, substituted
from medmae.bundle.check.targets import FORBIDDEN_ARGUMENTS

MAX_LENGTH = 2000
_REFS = "__local_refs"
_METHODS = frozenset({"initialize", "run", "finalize"})  # of objects that a recipe made
# Attributes that recipes read: the encoder of a method or its part of clips, what its contrast projects with, the sizes
# of its patches, and of which size it wants pictures.
# Any other leads further, as from a loader to its `multiprocessing_context`, and from there to `os`.
ATTRIBUTES = frozenset(
    {
        ("clip",),
        ("encoder",),
        ("frame", "resize"),
        ("frame", "size"),
        ("patches", "patch"),
        ("patches", "size"),
        ("projections",),
    }
)
_METHOD = r"medmae\.methods\.\w+\.[a-z]\w*"  # what its builder made: its class takes parts of any kind
_ATTRIBUTES = ", ".join(sorted(".".join(way) for way in ATTRIBUTES))
_OPERATORS = (ast.Add, ast.Sub, ast.Mult, ast.Div, ast.FloorDiv)
_UNARY = (ast.USub, ast.Not)


def expression_refusal(expression: str, names: Mapping[str, str], known: Definitions) -> str | None:
    """Why an expression is outside the grammar; None if it is inside.

    Args:
        expression: With its ``$``.
        names: What :func:`~medmae.bundle.check.imports.imported` gave.
        known: What its references may be.
    """
    if len(expression) > MAX_LENGTH:
        return f"has {len(expression)} characters, at most {MAX_LENGTH} are read"
    if "__" in expression:
        return "holds a double underscore"
    if re.search(r"[@%]::", expression.replace("#", "::")):
        return "holds a relative id; write the whole id"
    for reference in references(expression):
        if reason := reference_refusal(reference):
            return reason
    try:
        body = ast.parse(substituted(expression), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return "is no single Python expression"
    try:
        _Grammar(names, known).visit(body)
    except _OutsideError as error:
        return str(error)
    except RecursionError:
        return "is nested too deeply"
    return None


def reference_refusal(reference: str) -> str | None:
    """Why nothing may refer to an id; None if it may."""
    if reference == "imports" or reference.startswith("imports::"):
        return "refers to the imports: a module is no value"
    if reference == "_meta_" or reference.startswith("_meta_::"):
        return "refers to the metadata, which are for people to read"
    if not reference or reference.endswith("::") or "::::" in reference or reference.startswith("::"):
        return "refers to the whole configuration, or to a relative id"
    return None


class _OutsideError(Exception):
    """A part of an expression is outside the grammar."""


class _Grammar(ast.NodeVisitor):
    """Visits only what is allowed; the rest, and whatever Python brings next, ends in ``generic_visit``."""

    def __init__(self, names: Mapping[str, str], known: Definitions) -> None:
        self.names, self.known = names, known

    def generic_visit(self, node: ast.AST) -> None:
        raise _OutsideError(f"uses {type(node).__name__}, which no recipe needs")

    def visit_Constant(self, node: ast.Constant) -> None:
        if not isinstance(node.value, str | int | float | bool | None):
            raise _OutsideError(f"holds the constant {node.value!r}")
        if isinstance(node.value, str) and (_REFS in node.value or "@" in node.value):
            raise _OutsideError("holds a reference inside a text: MONAI would replace it")

    def visit_Name(self, node: ast.Name) -> None:
        self._symbol(node.id, node.id)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        dotted = _dotted(node)
        if dotted:
            self._symbol(dotted.partition(".")[0], dotted)
            return
        name, way = attribute_of(node)
        if name is None or way not in ATTRIBUTES or not self.known.is_made_of(name, _METHOD):
            raise _OutsideError(f"reads the attribute {node.attr!r}; recipes read {_ATTRIBUTES} of a method")

    def visit_Subscript(self, node: ast.Subscript) -> None:
        if reference_of(node) is not None:
            return
        if not isinstance(node.value, ast.Attribute | ast.Subscript):
            raise _OutsideError("takes a part of what is no @id")
        self.visit(node.value)
        self.visit(node.slice)

    def visit_BinOp(self, node: ast.BinOp) -> None:
        sides = (node.left, node.right)
        if not isinstance(node.op, _OPERATORS):
            raise _OutsideError(f"uses {type(node.op).__name__}, which no recipe needs")
        if isinstance(node.op, ast.Mult) and any(isinstance(side, ast.List | ast.Tuple) for side in sides):
            raise _OutsideError("repeats a list")
        for side in sides:
            self.visit(side)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> None:
        if not isinstance(node.op, _UNARY):
            raise _OutsideError(f"uses {type(node.op).__name__}, which no recipe needs")
        self.visit(node.operand)

    def visit_BoolOp(self, node: ast.BoolOp) -> None:
        for value in node.values:
            self.visit(value)

    def visit_Compare(self, node: ast.Compare) -> None:
        for value in (node.left, *node.comparators):
            self.visit(value)

    def visit_IfExp(self, node: ast.IfExp) -> None:
        for value in (node.test, node.body, node.orelse):
            self.visit(value)

    def visit_List(self, node: ast.List) -> None:
        for value in node.elts:
            self.visit(value)

    def visit_Tuple(self, node: ast.Tuple) -> None:
        for value in node.elts:
            self.visit(value)

    def visit_Call(self, node: ast.Call) -> None:
        self._callee(node.func)
        for keyword in node.keywords:
            if keyword.arg is None or keyword.arg in FORBIDDEN_ARGUMENTS or self._is_builtin(node.func):
                raise _OutsideError(f"passes {keyword.arg or '**'}")
        for value in (*node.args, *(keyword.value for keyword in node.keywords)):
            self.visit(value)

    def _callee(self, function: ast.expr) -> None:
        if self._is_builtin(function):
            return
        if _dotted(function):
            self.visit(function)
        elif isinstance(function, ast.Attribute) and function.attr in _METHODS:
            name = reference_of(function.value)
            if name is None or not self.known.is_made_of(name, r"medmae\..*"):
                raise _OutsideError(f"calls {function.attr} of what is no object of medmae")
        elif (name := reference_of(function)) is None:
            raise _OutsideError("calls what is neither an imported function, nor @id, nor @id.run")
        elif not self.known.is_function(name):
            raise _OutsideError(f"calls @{name}, which is no target with `_mode_: callable`")

    def _is_builtin(self, function: ast.expr) -> bool:
        return isinstance(function, ast.Name) and function.id in BUILTINS and function.id not in self.names

    def _symbol(self, root: str, dotted: str) -> None:
        if root not in self.names:
            raise _OutsideError(f"uses the name {root!r}, which nothing imports")
        full = self.names[root] + dotted[len(root) :]
        reason = refusal_in_expression(full)
        if reason:
            raise _OutsideError(f"uses {full!r}, which {reason}")


def _dotted(node: ast.expr) -> str | None:
    parts = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return ".".join([node.id, *reversed(parts)]) if isinstance(node, ast.Name) else None


def reference_of(node: ast.expr) -> str | None:
    """The id that a look-up is of, as MONAI writes ``@id`` into an expression; None if it is something else."""
    named = isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name) and node.value.id == _REFS
    if named and isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant):
        return str(node.slice.value)
    return None


def attribute_of(node: ast.expr) -> tuple[str | None, tuple[str, ...]]:
    """An id, and the attributes that are read of it, one of the other."""
    way: list[str] = []
    while isinstance(node, ast.Attribute):
        way.insert(0, node.attr)
        node = node.value
    return reference_of(node), tuple(way)
