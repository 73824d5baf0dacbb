"""YAML and JSON read strictly: plain values only, every key once, nothing constructed."""

from __future__ import annotations

import json
from collections.abc import Hashable, Iterator
from typing import Any

import yaml

_MAX_DEPTH = 50
_PLAIN = {f"tag:yaml.org,2002:{kind}" for kind in ("map", "seq", "str", "int", "float", "bool", "null")}
_NUMBERS = {f"tag:yaml.org,2002:{kind}" for kind in ("int", "float")}


class _Loader(yaml.SafeLoader):
    """SafeLoader without tags, aliases and repeated keys; each of them lets a reader overlook what is there."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise ValueError(f"line {self.peek_event().start_mark.line + 1}: an alias (*): write the value out")
        node = super().compose_node(parent, index)
        if node is not None and node.tag not in _PLAIN:
            raise ValueError(f"line {node.start_mark.line + 1}: tag {node.tag!r}; only plain values are read")
        if isinstance(node, yaml.ScalarNode) and node.tag in _NUMBERS and ":" in node.value:
            raise ValueError(f"line {node.start_mark.line + 1}: a number to the base of 60: put it into quotes")
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[object] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise ValueError(f"line {key_node.start_mark.line + 1}: key {key!r} stands twice")
            seen.add(key)
        return super().construct_mapping(node, deep)


def load(text: str, *, json_format: bool) -> Any:  # noqa: ANN401
    """Reads a document.

    Args:
        text: Of the file.
        json_format: JSON instead of YAML.

    Raises:
        ValueError: If it does not parse, or holds a repeated key, an alias or a tag.
    """
    try:
        if json_format:
            content = json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant)
        else:
            content = yaml.load(text, _Loader)  # noqa: S506 (a SafeLoader that is stricter still)
    except yaml.YAMLError as error:
        raise ValueError(" ".join(str(error).split())) from error
    except (RecursionError, TypeError) as error:
        raise ValueError(f"cannot be read ({type(error).__name__})") from error
    if _depth(content) > _MAX_DEPTH:
        raise ValueError(f"is nested more than {_MAX_DEPTH} deep")
    if any(not _is_text(part) for part in _texts(content)):
        raise ValueError("holds half a character (a surrogate by an escape), which no file can hold")
    return content


def _texts(value: Any) -> Iterator[str]:  # noqa: ANN401
    """All keys and values that are texts."""
    if isinstance(value, str):
        yield value
    for part in [*(value if isinstance(value, dict) else ()), *_children(value)]:
        yield from _texts(part)


def _is_text(value: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in value)


def _depth(value: Any) -> int:  # noqa: ANN401
    level, depth = [value], 0
    while level and depth <= _MAX_DEPTH:
        level = [child for item in level for child in _children(item)]
        depth += 1
    return depth


def _children(value: Any) -> list[Any]:  # noqa: ANN401
    return list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content: dict[str, Any] = {}
    for key, value in pairs:
        if key in content:
            raise ValueError(f"key {key!r} stands twice")
        content[key] = value
    return content


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")
