"""Arguments of networks compared, as they come: typed by people, written by recipes, kept in headers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from medmae.nn.config import TARGET, TUPLE


def changed(config: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments of a network that are not those of another."""
    return {name: value for name, value in config.items() if name != TARGET and not same(value, other.get(name))}


def same(one: object, other: object) -> bool:
    """Whether two arguments mean the same: lists are tuples, and one number stands for all axes."""
    one, other = plain(one), plain(other)
    if isinstance(one, list) != isinstance(other, list):
        many, single = (one, other) if isinstance(one, list) else (other, one)
        assert isinstance(many, list)
        return bool(many) and all(each == single for each in many)
    return one == other


def plain(value: object) -> Any:  # noqa: ANN401 - JSON
    """An argument as JSON has it, tuples as lists."""
    if isinstance(value, Mapping):
        items = value.keys() == {TUPLE}
        return plain(value[TUPLE]) if items else {name: plain(item) for name, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list | tuple) else value


def is_network(value: object) -> bool:
    """Whether an argument is itself a class with arguments."""
    return isinstance(value, Mapping) and TARGET in value


def networks_in(value: object) -> list[Any]:
    """The classes with arguments that an argument lists, such as kinds of data; none of another argument."""
    listed = value[TUPLE] if isinstance(value, Mapping) and value.keys() == {TUPLE} else value
    return list(listed) if isinstance(listed, list | tuple) and all(map(is_network, listed)) else []
