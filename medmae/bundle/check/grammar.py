"""What a ``$`` expression may be: decided on its syntax tree, on exactly the text that MONAI would evaluate."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping

from medmae.bundle.check.allowed import BUILTINS, PACKAGES, refusal_in_expression
from medmae.bundle.check.ids import references, substituted
from medmae.bundle.check.targets import FORBIDDEN_ARGUMENTS

MAX_LENGTH = 2000
_REFS = "__local_refs"
_METHODS = frozenset({"run"})  # of objects that a recipe made
# Attributes by which an object leads to its frame, and the frame to everything.
_FRAMES = ("ag_", "co_", "cr_", "f_", "func_", "gi_", "tb_")
_OPERATORS = (ast.Add, ast.Sub, ast.Mult, ast.Div, ast.FloorDiv)
_UNARY = (ast.USub, ast.Not)
# What MONAI gives to every expression without an import.
_DEFAULT_NAMES = {"monai": "monai", "torch": "torch", "np": "numpy", "numpy": "numpy"}


def import_refusal(text: str) -> str | None:
    """Why a text after ``$`` is not one of the import lines that are allowed; None if it is."""
    if match := re.fullmatch(r"import (\w+)", text, flags=re.ASCII):
        return None if match[1] in PACKAGES else f"imports {match[1]}; there are {', '.join(PACKAGES)}"
    if match := re.fullmatch(r"from ([\w.]+) import (\w+)", text, flags=re.ASCII):
        name = f"{match[1]}.{match[2]}"
        reason = refusal_in_expression(name)
        return reason and f"{name!r} {reason}"
    return "is not `import PACKAGE` or `from MODULE import NAME`, one name a line"


def imported(lines: object) -> dict[str, str]:
    """Names that the allowed import lines of a recipe make, and what they stand for."""
    names = dict(_DEFAULT_NAMES)
    for line in lines if isinstance(lines, list) else ():
        if isinstance(line, str) and line.startswith("$") and import_refusal(line[1:]) is None:
            words = line[1:].split()
            names[words[-1]] = words[1] if words[0] == "import" else f"{words[1]}.{words[3]}"
    return names


def is_import(expression: str) -> bool:
    """Whether MONAI would read an expression as an import."""
    try:
        body = ast.parse(expression[1:].lstrip()).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return "import" in expression.split("(")[0].split()
    return bool(body) and isinstance(body[0], ast.Import | ast.ImportFrom)


def expression_refusal(expression: str, names: Mapping[str, str]) -> str | None:
    """Why an expression is outside the grammar; None if it is inside.

    Args:
        expression: With its ``$``.
        names: What :func:`imported` gave.
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
        _Grammar(names).visit(body)
    except _OutsideError as error:
        return str(error)
    except RecursionError:
        return "is nested too deeply"
    return None


def reference_refusal(reference: str) -> str | None:
    """Why nothing may refer to an id; None if it may."""
    if reference == "imports" or reference.startswith("imports::"):
        return "refers to the imports: a module is no value"
    if not reference or reference.endswith("::") or "::::" in reference or reference.startswith("::"):
        return "refers to the whole configuration, or to a relative id"
    return None


class _OutsideError(Exception):
    """A part of an expression is outside the grammar."""


class _Grammar(ast.NodeVisitor):
    """Visits only what is allowed; the rest, and whatever Python brings next, ends in ``generic_visit``."""

    def __init__(self, names: Mapping[str, str]) -> None:
        self.names = names

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
        if node.attr.startswith(("_", *_FRAMES)):
            raise _OutsideError(f"reads the attribute {node.attr!r}")
        self.visit(node.value)

    def visit_Subscript(self, node: ast.Subscript) -> None:
        if _is_reference(node):
            return
        self.visit(node.value)
        self.visit(node.slice)

    def visit_Slice(self, node: ast.Slice) -> None:
        for part in (node.lower, node.upper, node.step):
            if part is not None:
                self.visit(part)

    def visit_BinOp(self, node: ast.BinOp) -> None:
        sides = (node.left, node.right)
        if not isinstance(node.op, _OPERATORS):
            raise _OutsideError(f"uses {type(node.op).__name__}, which no recipe needs")
        if isinstance(node.op, ast.Mult) and any(map(_is_sequence, sides)):
            raise _OutsideError("repeats a text or a list")
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
            if keyword.arg is None or keyword.arg in FORBIDDEN_ARGUMENTS:
                raise _OutsideError(f"passes {keyword.arg or '**'}")
        for value in (*node.args, *(keyword.value for keyword in node.keywords)):
            self.visit(value)

    def _callee(self, function: ast.expr) -> None:
        if isinstance(function, ast.Name) and function.id in BUILTINS and function.id not in self.names:
            return
        if _dotted(function):
            self.visit(function)
        elif isinstance(function, ast.Attribute) and _is_reference(function.value) and function.attr in _METHODS:
            return
        elif not _is_reference(function):
            raise _OutsideError("calls what is neither an imported function, nor @id, nor @id.run")

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


def _is_reference(node: ast.expr) -> bool:
    named = isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name) and node.value.id == _REFS
    return named and isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant)


def _is_sequence(node: ast.expr) -> bool:
    text = isinstance(node, ast.Constant) and isinstance(node.value, str)
    return text or isinstance(node, ast.List | ast.Tuple)
