"""Check 11: ``logging.conf`` sets logging up and does nothing else; Python evaluates some of its fields."""

from __future__ import annotations

import configparser
import logging
import re
import sys
from collections.abc import Iterator

from medmae.bundle.check.finding import Problem
from medmae.bundle.check.source import Bundle

NAME = "configs/logging.conf"
# Those that write files are not among them: one with mode w empties a file of that name.
_HANDLERS = frozenset({"NullHandler", "StreamHandler"})
_KEYS = {
    "logger": {"level", "handlers", "qualname", "propagate"},
    "handler": {"class", "level", "formatter", "args"},
    "formatter": {"format", "datefmt", "class"},
}
_WIDE = re.compile(r"%\(\w*\)[^a-zA-Z%]*\d{4}")  # a width that takes a gigabyte a message
_ARGUMENTS = {"()": "stderr", "(sys.stderr,)": "stderr", "(sys.stdout,)": "stdout"}


def logging_conf(bundle: Bundle) -> Iterator[Problem]:
    """Known sections and fields, classes of logging that write to streams, and the streams of the process."""
    if NAME not in bundle.files:
        return
    try:
        parser = _parsed(bundle.text(NAME))
    except (configparser.Error, ValueError) as error:
        yield Problem(NAME, " ".join(str(error).split()), "mend the file")
        return
    if parser.defaults():
        yield Problem(f"{NAME}: DEFAULT", "adds to every section", "write each section out")
    for section in parser.sections():
        for key, value in parser.items(section):
            if reason := _refusal(section, key, value):
                yield Problem(f"{NAME}: {section}.{key}", f"{value!r} {reason}", "keep to what docs/check.md lists")


def set_up_logging(text: str) -> None:
    """Sets logging up as a ``logging.conf`` that passed the check says; none of its fields is evaluated.

    Raises:
        ValueError: If a level or a format is none.
    """
    parser = _parsed(text)
    formatters = {
        name: logging.Formatter(part.get("format"), part.get("datefmt")) for name, part in _of(parser, "formatter")
    }
    handlers: dict[str, logging.Handler] = {}
    for name, part in _of(parser, "handler"):
        stream = getattr(sys, _ARGUMENTS[part.get("args", "()")])
        null = part.get("class", "").endswith("NullHandler")
        handlers[name] = logging.NullHandler() if null else logging.StreamHandler(stream)
        handlers[name].setLevel(part.get("level", "NOTSET"))
        handlers[name].setFormatter(formatters.get(part.get("formatter", "")))
    for name, part in _of(parser, "logger"):
        logger = logging.getLogger(None if name == "root" else part.get("qualname", name))
        logger.setLevel(part.get("level", "NOTSET"))
        logger.propagate = part.get("propagate", "1") != "0"
        logger.handlers = [handlers[each] for each in _names(part.get("handlers", "")) if each in handlers]


def _parsed(text: str) -> configparser.RawConfigParser:
    parser = configparser.RawConfigParser()
    parser.read_string(text)
    return parser


def _of(parser: configparser.RawConfigParser, kind: str) -> Iterator[tuple[str, configparser.SectionProxy]]:
    """Sections of a kind that the file lists."""
    for name in _names(parser.get(f"{kind}s", "keys", fallback="")):
        if f"{kind}_{name}" in parser:
            yield name, parser[f"{kind}_{name}"]


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _refusal(section: str, key: str, value: str) -> str | None:
    if section in {"loggers", "handlers", "formatters"}:
        return None if key == "keys" else "stands in a section that only lists keys"
    kind = section.partition("_")[0]
    if kind not in _KEYS or key not in _KEYS[kind]:
        return "is a field that logging does not need"
    if key == "format" and _WIDE.search(value):
        return "pads each line beyond any screen"
    if key != "format" and key != "datefmt" and "%" in value:
        return "is put together from other fields"
    if key == "level" and value not in logging.getLevelNamesMapping():
        return "is no level of logging"
    if key == "class":
        allowed = _HANDLERS if kind == "handler" else {"Formatter"}
        return None if value.removeprefix("logging.") in allowed else "is no class of logging"
    if key == "args" and value not in _ARGUMENTS:
        return "is no stream that is there"
    return None
