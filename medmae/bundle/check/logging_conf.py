"""Check 11: ``logging.conf`` sets logging up and does nothing else; Python evaluates some of its fields."""

from __future__ import annotations

import ast
import configparser
from collections.abc import Iterator

from medmae.bundle.check.finding import Problem
from medmae.bundle.check.source import Bundle

NAME = "configs/logging.conf"
_HANDLERS = frozenset(
    {
        "FileHandler",
        "NullHandler",
        "StreamHandler",
        "handlers.RotatingFileHandler",
        "handlers.TimedRotatingFileHandler",
    }
)
_KEYS = {
    "logger": {"level", "handlers", "qualname", "propagate"},
    "handler": {"class", "level", "formatter", "args", "kwargs"},
    "formatter": {"format", "datefmt", "style", "class"},
}
_STREAMS = frozenset({"sys.stderr", "sys.stdout"})


def logging_conf(bundle: Bundle) -> Iterator[Problem]:
    """Known sections and fields, classes of logging, literal arguments."""
    if NAME not in bundle.files:
        return
    parser = configparser.RawConfigParser()
    try:
        parser.read_string(bundle.text(NAME))
    except (configparser.Error, ValueError) as error:
        yield Problem(NAME, " ".join(str(error).split()), "mend the file")
        return
    if parser.defaults():
        yield Problem(f"{NAME}: DEFAULT", "adds to every section", "write each section out")
    for section in parser.sections():
        for key, value in parser.items(section):
            if reason := _refusal(section, key, value):
                yield Problem(f"{NAME}: {section}.{key}", f"{value!r} {reason}", "keep to what docs/check.md lists")


def _refusal(section: str, key: str, value: str) -> str | None:
    if section in {"loggers", "handlers", "formatters"}:
        return None if key == "keys" else "stands in a section that only lists keys"
    kind = section.partition("_")[0]
    if kind not in _KEYS or key not in _KEYS[kind]:
        return "is a field that logging does not need"
    if key != "format" and key != "datefmt" and "%" in value:
        return "is put together from other fields"
    if key == "class":
        allowed = _HANDLERS if kind == "handler" else {"logging.Formatter", "Formatter"}
        return None if value.removeprefix("logging.") in allowed or value in allowed else "is no class of logging"
    if key in {"args", "kwargs"}:
        return None if _is_literal(value) else "is no literal"
    return None


def _is_literal(text: str) -> bool:
    try:
        return _literal(ast.parse(text, mode="eval").body)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False


def _literal(node: ast.expr) -> bool:
    if isinstance(node, ast.Tuple | ast.List):
        return all(map(_literal, node.elts))
    if isinstance(node, ast.Dict):
        return all(key is not None and _literal(key) for key in node.keys) and all(map(_literal, node.values))
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return not node.value.startswith(("/", "~")) and ".." not in node.value
    return isinstance(node, ast.Constant) or ast.unparse(node) in _STREAMS
