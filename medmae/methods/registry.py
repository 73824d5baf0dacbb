"""One list of methods, filled by the method files themselves: contracts, CLI, docs and bundles read it."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medmae.annotated import fits, spoken
from medmae.arguments import annotation, arguments, nearest
from medmae.methods.base import Method

Preset = Callable[..., Method]


@dataclass(frozen=True)
class MethodSpec:
    """One registered system.

    Attributes:
        name: Identifier, as in ``medmae list``.
        cls: The method class.
        title: What it is called in prose.
        paper: Authors' title, venue and identifier.
        presets: Size presets by name; each takes any constructor argument as an override. ``tiny`` always exists and
            is for tests.
    """

    name: str
    cls: type[Method]
    title: str
    paper: str
    presets: dict[str, Preset]


_METHODS: dict[str, MethodSpec] = {}


def register(
    name: str, *, title: str, paper: str, presets: dict[str, Preset]
) -> Callable[[type[Method]], type[Method]]:
    """Class decorator that enters a method in the list.

    Raises:
        ValueError: If the name is taken, or no ``tiny`` preset is given.
    """
    if "tiny" not in presets:
        raise ValueError(f"method {name!r} needs a preset 'tiny' for tests, got {sorted(presets)}")

    def enter(cls: type[Method]) -> type[Method]:
        if name in _METHODS and _METHODS[name].cls.__qualname__ != cls.__qualname__:
            raise ValueError(f"method {name!r} is already registered by {_METHODS[name].cls.__qualname__}")
        _METHODS[name] = MethodSpec(name, cls, title, paper, presets)
        return cls

    return enter


def methods() -> dict[str, MethodSpec]:
    """All methods by name; importing every file of ``medmae.methods`` is what finds them."""
    for module in pkgutil.iter_modules([str(Path(__file__).parent)]):
        importlib.import_module(f"medmae.methods.{module.name}")
    return dict(sorted(_METHODS.items()))


def create(name: str, *, preset: str | None = None, **options: object) -> Method:
    """A method by name and preset; ``options`` override constructor arguments.

    Raises:
        ValueError: If a name, the preset or an argument does not exist or has no such value, with those that do.
    """
    known = methods()
    if name not in known:
        raise ValueError(f"no method {name!r}; {nearest(name, known)}")
    spec = known[name]
    if preset not in spec.presets:
        said = "is built by a preset" if preset is None else f"has no preset {preset!r}"
        raise ValueError(f"method {name!r} {said}; there are {', '.join(spec.presets)}")
    taken = arguments(spec.presets[preset]) or arguments(spec.cls)
    for option, value in options.items():
        if taken is not None and option not in taken:
            raise ValueError(f"{name} has no argument {option!r}; {nearest(option, taken)}")
        hint = annotation(spec.presets[preset], option)
        hint = annotation(spec.cls, option) if hint is Any else hint
        if not fits(value, hint):
            raise ValueError(f"{name}: {option} must be {spoken(hint)}, got {value!r}")
    return spec.presets[preset](**options)
