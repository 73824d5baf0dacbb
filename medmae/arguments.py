"""What a class or a function takes: asked before it is called, so that a misspelt name is told at once."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Iterable, Iterator, Sequence
from types import NoneType, UnionType
from typing import Any, Union, Unpack, get_args, get_origin, get_type_hints, is_typeddict

UNKNOWN = object()  # a value that nobody knows beforehand


def arguments(target: Callable[..., Any]) -> dict[str, Any] | None:
    """Names with their defaults, also those that reach a base class or a returned class through ``**options``.

    Args:
        target: A class or a function.

    Returns:
        Where there is no default, or None, its annotation gives a number, a flag or None as an example of what belongs
        there, or else :data:`UNKNOWN`. None if it takes any name.
    """
    if not isinstance(target, type):
        return _of_function(target)
    found: dict[str, Any] = {}
    for cls in target.__mro__:
        if "__init__" not in vars(cls):
            continue
        if cls is object:
            break
        own, rest = _own(vars(cls)["__init__"])
        found = {**own, **found}
        if rest is None:
            return found
        if names := _names(rest):
            return {**names, **found}
    return None


def _of_function(function: Callable[..., Any]) -> dict[str, Any] | None:
    try:
        own, rest = _own(function)
        made = _hints(function).get("return")
    except (TypeError, ValueError):  # of a builtin
        return None
    if rest is None:
        return own
    behind = arguments(made) if isinstance(made, type) else _names(rest) or None
    return None if behind is None else {**behind, **own}


def _own(function: Callable[..., Any]) -> tuple[dict[str, Any], Any]:
    """Named arguments with their defaults, and the annotation of those that are not named; None without such."""
    named, rest, hints = {}, None, _hints(function)
    for name, each in inspect.signature(function).parameters.items():
        if each.kind is each.VAR_KEYWORD:
            rest = hints.get(name, Any)
        elif each.kind is not each.VAR_POSITIONAL and name != "self":
            named[name] = each.default
            if each.default is None or each.default is each.empty:  # "in" would compare arrays
                named[name] = _example(hints.get(name))
    return named, rest


def _names(rest: Any) -> dict[str, Any]:  # noqa: ANN401
    """Those of a ``TypedDict`` that is unpacked."""
    kind = get_args(rest)[0] if get_origin(rest) is Unpack else None
    return {name: _example(hint) for name, hint in get_type_hints(kind).items()} if is_typeddict(kind) else {}


def _example(hint: Any) -> object:  # noqa: ANN401
    """A value of the kind that is annotated, where all that may stand there is numbers, flags and null."""
    kinds = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    plain = {next(iter(get_args(kind)), None) if get_origin(kind) is Sequence else kind for kind in kinds}
    if plain == {bool}:
        return True
    if not plain <= {int, float, NoneType}:
        return UNKNOWN
    return None if NoneType in plain else 1


def takes_whole_numbers(target: Callable[..., Any], name: str) -> bool:
    """Whether an argument is a whole number, or may be left out, and nothing else, by its annotation."""
    for hints in _all_hints(target):
        if name in hints:
            kinds = get_args(hints[name]) if get_origin(hints[name]) in (Union, UnionType) else (hints[name],)
            return int in kinds and set(kinds) <= {int, NoneType}
    return False


def annotation(target: Callable[..., Any], name: str) -> Any:  # noqa: ANN401
    """What stands behind the colon of an argument, wherever that is passed on to; ``Any`` where nothing does."""
    return next((hints[name] for hints in _all_hints(target) if name in hints), Any)


def _all_hints(target: Callable[..., Any]) -> Iterator[dict[str, Any]]:
    """Annotations of a class or a function, and of what it passes other arguments on to."""
    functions = [vars(cls)["__init__"] for cls in getattr(target, "__mro__", ()) if "__init__" in vars(cls)]
    for function in functions or [target]:
        hints = _hints(function)
        yield hints
        yield from (get_type_hints(get_args(hint)[0]) for hint in hints.values() if get_origin(hint) is Unpack)
        if isinstance(made := hints.get("return"), type):
            yield from _all_hints(made)


def _hints(function: Callable[..., Any]) -> dict[str, Any]:
    try:
        return get_type_hints(function)
    except (NameError, TypeError):  # of names that are imported for a type checker only
        return {}


def nearest(name: str, known: Iterable[str]) -> str:
    """The names that come close to a misspelt one; all of them, if none does."""
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=3)
    return f"did you mean {' or '.join(near)}?" if near else f"there is {', '.join(names)}"
