"""What a user types as ``--key value`` is that value: text where a recipe has text, YAML's own words elsewhere.

MONAI reads Python literals from its command line, rewrites ``#`` in texts, evaluates ``$...``, follows ``@...`` and
opens ``%...``. A folder called ``study#2`` is none of these, and ``false`` is no text that counts as true.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from types import NoneType, UnionType
from typing import Literal

import yaml

from medmae.arguments import UNKNOWN
from medmae.errors import DataError

Kind = Literal["path", "text", "scale", "names", "flag", "number", "list", "null", "object", "any"]

_PATHS = re.compile(r"manifest|(?!drop_path)\w+_(?:dir|root|file|path)")  # a drop path is a rate
# Paths and names that a recipe may leave out: it has null there, or an expression.
_FILES = frozenset(
    {"bert", "calibration", "checkpoint", "pretrained", "slides", "target_intensity", "teacher", "vocabulary"}
)
_TEXTS = _FILES | {"logger", "source", "split", "subject_from", "target"}
_NAMES = frozenset(
    {"answers", "classes", "contrasts", "kinds", "questions", "shown", "targets"}
)  # lists of them, or null for all
_SIZES = re.compile(r"(?!batch_)(?:\w+_)?size")  # one number for all axes, or a list of one an axis
_NULLS = ("null", "None")
_EXPECTED = {
    "scale": "a name, such as imagenet, null, or {mean: [0.5], std: [0.5]}",
    "names": "a list of names, such as [a, b]",
    "flag": "true or false",
    "number": "a number",
    "list": "a list, such as [1, 2]",
    "null": "null, a number or a list",
    "object": "an object, of which parts are set",
}


class _Words(yaml.SafeLoader):
    """YAML 1.2: ``true``, ``null`` and numbers are words of their own; ``yes``, ``1_000`` and dates are text."""

    yaml_implicit_resolvers = {}  # noqa: RUF012 (PyYAML's way)


class _Names(yaml.SafeLoader):
    """Every word is text."""

    yaml_implicit_resolvers = {}  # noqa: RUF012 (PyYAML's way)


for _tag, _pattern, _first in (  # with Python's own spellings, which scripts of users have
    ("bool", r"true|True|TRUE|false|False|FALSE", ["t", "T", "f", "F"]),
    ("null", r"null|Null|NULL|None|~|", ["n", "N", "~", ""]),
    ("int", r"[-+]?(?:0|[1-9][0-9]*)|0x[0-9a-fA-F]+", [*"-+0123456789"]),
    (
        "float",
        r"[-+]?(?:[0-9]*\.[0-9]+|[0-9]+\.|[0-9]+(?=[eE]))(?:[eE][-+]?[0-9]+)?|[-+]?\.inf|\.nan",
        [*"-+.0123456789"],
    ),
):
    _Words.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(rf"(?:{_pattern})$"), _first)


def parse_options(arguments: Sequence[str]) -> dict[str, str]:
    """``--key value`` and ``--key=value`` pairs as they were typed.

    Raises:
        ValueError: If an argument is not of that form.
    """
    options: dict[str, str] = {}
    rest = list(arguments)
    while rest:
        key, separator, value = rest.pop(0).partition("=")
        if not key.startswith("--") or len(key) < 3:
            raise ValueError(f"expected --key value, got {key!r}")
        if not separator:
            if not rest:
                raise ValueError(f"{key} has no value: write {key} VALUE")
            value = rest.pop(0)
        options[key[2:].replace("-", "_").replace("#", "::")] = value
    return options


def read_value(key: str, text: str, now: object = UNKNOWN) -> object:
    """A typed value, by what the recipe has in its place.

    Args:
        key: Its id, such as ``train::trainer::max_epochs``.
        text: As typed.
        now: The recipe's value. Where that is a text, or the key is that of a path or a name, ``text`` is taken as it
            stands, but ``null`` where there may be none; ``{`` begins the numbers of a ``scale``. All else is YAML;
            where nothing is known, what is no YAML is text.

    Raises:
        DataError: If the recipe has a flag, a number, a list or null there, and ``text`` is of another kind.
    """
    kind = _kind(key, now)
    if kind == "path":
        return text
    if kind in ("text", "scale", "names") and text in _NULLS:
        return None
    if kind == "scale" and not text.lstrip().startswith("{"):
        return text
    return text if kind == "text" else _yaml(text, _Names if kind == "names" else _Words)


def check_value(key: str, value: object, now: object = UNKNOWN) -> None:
    """Refuses what is of another kind than the recipe's value: a text for a number, a number for a flag, ...

    Raises:
        DataError: With the key, the value, and what is expected.
    """
    kind = _kind(key, now)
    items = list(value) if isinstance(value, list | tuple) else [value]
    size = _SIZES.fullmatch(key.rpartition("::")[2]) is not None
    if kind == "path":
        expected = "a path" if value == "" else None  # as of a variable of the shell that is not set
    elif kind in ("text", "any"):
        expected = None
    else:
        fits = {
            "scale": value is None
            or (isinstance(value, str) and not value.lstrip().startswith("{"))  # what is no YAML is still a text
            or (isinstance(value, dict) and value.keys() == {"mean", "std"}),
            "names": value is None or isinstance(value, list | tuple),
            "flag": isinstance(value, bool),
            "number": not any(isinstance(item, str | bool | dict) for item in items)
            and (size or not isinstance(value, list | tuple)),
            "object": not isinstance(value, str | bool | int | float | list | tuple)
            and not (value is None and _is_needed(now)),
            "list": (size or isinstance(value, list | tuple)) and not any(isinstance(item, str) for item in items),
        }
        expected = None if fits.get(kind, not any(isinstance(item, str) for item in items)) else _EXPECTED[kind]
    if expected is not None:
        raise DataError(f"--{key}: the recipe has {expected} here", field=key, value=value, remedy=f"give {expected}")


def _is_needed(now: object) -> bool:
    """Whether nothing works without an object: a method, a recipe, what trains; an augmentation may be left out."""
    target = str(now.get("_target_")) if isinstance(now, dict) else ""
    return target.startswith(("medmae.methods.", "medmae.recipes.", "medmae.training.module"))


def is_path(name: str) -> bool:
    """Whether what belongs to a name is a path, by the name."""
    return _PATHS.fullmatch(name) is not None or name in _FILES


def _kind(key: str, now: object) -> Kind:
    """What belongs there; a bool is asked for before a number, because Python takes it for one."""
    name = key.rpartition("::")[2]
    if _PATHS.fullmatch(name):
        return "path"
    if name == "scale" and (now is None or isinstance(now, str | dict)):
        return "scale"
    if isinstance(now, str) or name in _TEXTS:
        return "text"
    if name in _NAMES or (isinstance(now, list | tuple) and now and all(isinstance(item, str) for item in now)):
        return "names"
    # Lightning's own may be words (strategy: ddp), ours are not.
    if isinstance(now, dict) and str(now.get("_target_")).startswith("medmae."):
        return "object"
    kinds: tuple[tuple[type | UnionType, Kind], ...] = (
        (bool, "flag"),
        (int | float, "number"),
        (list | tuple, "list"),
        (NoneType, "null"),
    )
    return next((kind for type_, kind in kinds if isinstance(now, type_)), "any")


def _yaml(text: str, loader: type[yaml.SafeLoader]) -> object:
    """A value in YAML; ``160,256`` and ``(160, 256)`` are lists, too. A comment is none: ``#`` was typed."""
    if re.search(r"(?:^|\s)#", text):
        return text
    bare = text.strip()
    if bare[:1] == "(" and bare[-1:] == ")":
        bare = f"[{bare[1:-1]}]"
    try:
        value: object = yaml.load(bare, loader)  # noqa: S506 (both loaders are safe ones)
        if isinstance(value, str) and value == bare and "," in bare:
            items = yaml.load(f"[{bare}]", loader)  # noqa: S506
            if loader is _Names or not any(isinstance(item, str | dict) for item in items):
                return items
    except yaml.YAMLError:
        return text
    if _lacks_space(value):
        raise ValueError(f"{text}: YAML wants a space after a colon, as in {{rgb: mse}}")
    return text if value is None and not bare else value


def _lacks_space(value: object) -> bool:
    """Whether ``{a:b}`` stands anywhere in it: YAML takes that for a key ``a:b`` without a value."""
    if isinstance(value, list):
        return any(map(_lacks_space, value))
    items = value.items() if isinstance(value, dict) else ()
    return any((item is None and ":" in str(name)) or _lacks_space(item) for name, item in items)
