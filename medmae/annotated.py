"""Whether a value is of an annotated kind, and what that kind is in words: asked where a user gives a value."""

from __future__ import annotations

import collections.abc
import numbers
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

_LISTS = (collections.abc.Sequence, collections.abc.Collection, collections.abc.Iterable, list, tuple)
_WORDS: Mapping[Any, str] = {
    str: "a text",
    Path: "a path",
    int: "a whole number",
    float: "a number",
    bool: "True or False",
    NoneType: "None",
}
_CLASSES = {  # by name: this room knows no torch
    "Mapping": "a mapping",
    "Module": "a network",
    "Samples": "medmae.data.Samples",
    "Tensor": "a tensor",
    "device": "a device",
    "ndarray": "an array",
}


def fits(value: object, hint: Any) -> bool:  # noqa: ANN401 (whatever stands in an annotation)
    """Whether a value is of an annotated kind; True where only its user can tell, as of a protocol."""
    origin, parts = get_origin(hint), get_args(hint)
    if hint is Any:
        return True
    if origin in (Union, UnionType):
        return any(fits(value, part) for part in parts)
    if origin is Literal:
        return any(type(value) is type(part) and value == part for part in parts)
    if hint is None or hint is NoneType:
        return value is None
    if hint in (int, float):
        kind = numbers.Integral if hint is int else numbers.Real
        return isinstance(value, kind) and not isinstance(value, bool)
    if origin in _LISTS:
        return _is_list(value) and all(fits(item, parts[0]) for item in value if parts)  # type: ignore[attr-defined]
    kind = origin or hint
    if not isinstance(kind, type) or getattr(kind, "_is_protocol", False):
        return True
    return isinstance(value, kind)


def spoken(hint: Any) -> str:  # noqa: ANN401
    """An annotated kind in words: ``a path, None or 'mean'``."""
    words = list(dict.fromkeys(_words(hint)))
    if "a path" in words and "a text" in words:
        words = ["a path", *(word for word in words if word not in ("a path", "a text"))]
    return " or ".join(filter(None, [", ".join(words[:-1]), words[-1]]))


def _is_list(value: object) -> bool:
    """Whether it is a list of any kind; a text is none, though Python takes it for one of letters."""
    return isinstance(value, collections.abc.Iterable) and not isinstance(value, str | bytes | Mapping)


def _words(hint: Any) -> Iterator[str]:  # noqa: ANN401
    origin, parts = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        alone = [word for part in parts if get_origin(part) not in _LISTS for word in _words(part)]
        yield from alone
        for part in parts:
            if get_origin(part) in _LISTS:
                yield "a list of such" if set(_words(get_args(part)[0])) <= set(alone) else next(_words(part))
    elif origin is Literal:
        yield from map(repr, parts)
    elif origin in _LISTS:
        yield f"a list ({spoken(parts[0])} each)" if parts else "a list"
    else:
        kind = origin or hint
        name = getattr(kind, "__name__", str(kind))
        yield _WORDS.get(kind, _CLASSES.get(name, name))
