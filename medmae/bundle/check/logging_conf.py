"""Check 11: ``logging.conf`` sets logging up and does nothing else; Python evaluates some of its fields."""

from __future__ import annotations

import configparser
from collections.abc import Iterator

from medmae.bundle.check.finding import Problem
from medmae.bundle.check.source import Bundle

NAME = "configs/logging.conf"
# Those that write files are not among them: one with mode w empties a file of that name.
_HANDLERS = frozenset({"NullHandler", "StreamHandler"})
_KEYS = {
    "logger": {"level", "handlers", "qualname", "propagate"},
    "handler": {"class", "level", "formatter", "args"},
    "formatter": {"format", "datefmt", "style", "class"},
}
_ARGUMENTS = frozenset({"()", "(sys.stderr,)", "(sys.stdout,)"})


def logging_conf(bundle: Bundle) -> Iterator[Problem]:
    """Known sections and fields, classes of logging that write to streams, and the streams of the process."""
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
    if key == "args" and value not in _ARGUMENTS:
        return "is no stream that is there"
    return None
