"""What every function of ``import medmae`` does first: it names arguments that are not as they should be."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, TypeVar, get_type_hints

from medmae.annotated import fits, spoken
from medmae.arguments import nearest

F = TypeVar("F", bound=Callable[..., Any])


def door(function: F) -> F:
    """The same function, which raises ValueError with the argument and the choices where Python raises TypeError."""
    signature = inspect.signature(function)
    name, takes = function.__name__, signature.parameters
    named = [one.name for one in takes.values() if one.kind is not one.VAR_KEYWORD]
    any_name = len(named) < len(takes)

    @functools.wraps(function)
    def asked(*args: Any, **options: Any) -> Any:  # noqa: ANN401 (whatever the function takes and gives)
        places = [one.name for one in takes.values() if one.kind is one.POSITIONAL_OR_KEYWORD]
        if not takes and (args or options):
            raise ValueError(f"medmae.{name}() takes no argument")
        if len(args) > len(places):
            raise ValueError(
                f"medmae.{name} takes {' and '.join(places)} without a name, and got {len(args)} arguments: write the "
                "others as name=value"
            )
        given = {**dict(zip(places, args, strict=False)), **options}
        for option in options:
            if option not in takes and not any_name:
                raise ValueError(f"medmae.{name} has no argument {option!r}; {nearest(option, named)}")
            if option in places[: len(args)]:
                raise ValueError(f"medmae.{name} got {option!r} twice")
        missing = [each for each in named if takes[each].default is inspect.Parameter.empty and each not in given]
        if missing:
            raise ValueError(f"medmae.{name} needs {' and '.join(missing)}; it takes {', '.join(named)}")
        hints = get_type_hints(function)
        for argument, value in given.items():
            if argument in hints and argument in named and not fits(value, hints[argument]):
                raise ValueError(
                    f"{argument} must be {spoken(hints[argument])}, got {_short(value)} ({type(value).__name__})"
                )
        return function(*args, **options)

    return asked  # type: ignore[return-value]


def _short(value: object) -> str:
    text = " ".join(repr(value).split())
    return text if len(text) <= 60 else f"{text[:57]}..."
