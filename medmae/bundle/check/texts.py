"""What texts an expression may give: every part of a path has to be known, or it could be put together to lead away."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from typing import Any

from medmae.bundle.check.definitions import Definitions
from medmae.bundle.check.grammar import attribute_of, reference_of
from medmae.bundle.check.ids import normal, references, substituted

Known = frozenset[str] | None  # every text that it may be, none if it is a number or an object; None: not known
_NO_TEXT: frozenset[str] = frozenset()
_MAX_TEXTS = 64
_MAX_LENGTH = 1000
_NUMBERS = frozenset({"bool", "float", "int", "len", "round"})


class JoinedError(Exception):
    """A text is put together in a way in which nobody can say what it will be."""


class Texts:
    """Texts of expressions and ids; what several configurations define is each of it.

    Args:
        known: Values of all ids.
    """

    def __init__(self, known: Definitions) -> None:
        self._known = known
        self._ids: dict[str, Known] = {}

    def of(self, node: ast.expr) -> Known:
        """Texts of an expression.

        Raises:
            JoinedError: If a part of it puts texts together that are not known.
        """
        if isinstance(node, ast.Constant):
            return frozenset({node.value}) if isinstance(node.value, str) else _NO_TEXT
        if (name := reference_of(node)) is not None:
            return self.of_id(name)
        if isinstance(node, ast.IfExp):
            return _either([self.of(node.body), self.of(node.orelse)])
        if isinstance(node, ast.BoolOp):
            return _either(map(self.of, node.values))
        if isinstance(node, ast.BinOp):
            return self._operation(node)
        if isinstance(node, ast.Call):
            return self._call(node)
        no_text = isinstance(node, ast.UnaryOp | ast.Compare | ast.List | ast.Tuple) or _is_size(node)
        return _NO_TEXT if no_text else None

    def of_id(self, name: str) -> Known:
        """Texts of an id; not known where nothing defines it, nor in a circle."""
        if name not in self._ids:
            self._ids[name] = None
            values = self._known.of(name)
            self._ids[name] = _either(map(self._value, values)) if values else None
        return self._ids[name]

    def _value(self, value: Any) -> Known:  # noqa: ANN401
        if isinstance(value, dict | list):
            return None
        if not isinstance(value, str):
            return _NO_TEXT
        if value.startswith("$"):
            try:
                return self.of(ast.parse(substituted(value), mode="eval").body)
            except (SyntaxError, ValueError, RecursionError, MemoryError, JoinedError):
                return None  # said where it stands
        if value.startswith("%"):
            return self.of_id(normal(value)[1:])
        found = references(value)
        return self.of_id(found[0]) if found else frozenset({value})

    def _operation(self, node: ast.BinOp) -> Known:
        left, right = self.of(node.left), self.of(node.right)
        if not isinstance(node.op, ast.Add):
            if left or right or (isinstance(node.op, ast.Mult) and None in (left, right)):
                raise JoinedError("calculates with what may be a text")
            return _NO_TEXT
        if _NO_TEXT in (left, right):
            return _NO_TEXT  # Python adds no number to a text
        if left is None or right is None:
            raise JoinedError("adds what is not known to be a text, nor to be a number")
        if len(left) * len(right) > _MAX_TEXTS or max(map(len, left)) + max(map(len, right)) > _MAX_LENGTH:
            raise JoinedError("puts too many or too long texts together")
        return frozenset(first + second for first in left for second in right)

    def _call(self, node: ast.Call) -> Known:
        name = ast.unparse(node.func)
        if name == "str" and len(node.args) == 1:
            texts = self.of(node.args[0])
            return frozenset({"0"}) if texts == _NO_TEXT else texts  # a number, any
        if name in {"max", "min"} and len(node.args) > 1:
            return _either(map(self.of, node.args))
        return _NO_TEXT if name in _NUMBERS or name.startswith("torch.") else None


def _either(texts: Iterable[Known]) -> Known:
    found: frozenset[str] = frozenset()
    for some in texts:
        if some is None or len(found) > _MAX_TEXTS:
            return None
        found |= some
    return found


def _is_size(node: ast.expr) -> bool:
    """Whether an expression is the size of something's patches or pictures, or one of its numbers."""
    while isinstance(node, ast.Subscript) and reference_of(node) is None:
        node = node.value
    return isinstance(node, ast.Attribute) and attribute_of(node)[1][:1] in {("patches",), ("frame",)}
