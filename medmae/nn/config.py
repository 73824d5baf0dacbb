"""What a network was built with: its class and every argument as plain values, from which it is built again.

A weight file that carries them needs nobody to repeat its sizes.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

from torch import nn

from medmae.nn.sizes import BlockSizes, EncoderSizes

TARGET = "_target_"  # MONAI's word for the class that is built
TUPLE = "_tuple_"  # how a header tells one from a list
# Only what is a network, or describes one, is ever built from a file.
ROOMS = (
    "medmae.axes",
    "medmae.kinds",
    "medmae.masking",
    "medmae.methods",
    "medmae.nn",
    "medmae.objectives",
    "medmae.tokens",
)


@dataclass
class _Asked:
    """What :func:`config_by` waits for: a class of this name, what it is built with, the sizes that it hands on."""

    wanted: str | None
    config: dict[str, Any] | None = None
    sizes: Sequence[str] = ()


_ASKED: ContextVar[_Asked | None] = ContextVar("asked", default=None)


class _Answered(Exception):  # noqa: N818 (no error: all is known)
    pass


class Configured:
    """A module that remembers with which arguments it was built, defaults included.

    Arguments are plain values, frozen dataclasses, and other modules of this kind.
    """

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "__init__" in cls.__dict__:
            cls.__init__ = _remembering(cls.__init__)  # type: ignore[method-assign]


def config_of(module: nn.Module) -> dict[str, Any]:
    """Class and arguments of a module, for JSON; :func:`build` is the inverse.

    Raises:
        ValueError: If it does not remember them, or one of them is no plain value.
    """
    text = getattr(module, "_config", None)
    if text is None:
        raise ValueError(f"{type(module).__name__} does not remember how it was built: derive it from Configured")
    config: dict[str, Any] = json.loads(text)
    if "fault" in config:
        raise ValueError(config["fault"])
    return config


def config_by(make: Callable[..., nn.Module], **options: Any) -> dict[str, Any]:
    """What :func:`config_of` would say of what a function makes, without making it.

    What it says that it returns is meant: a teacher that it makes on the way is made, and not told of.

    Args:
        make: Such as a preset of a method.
        options: Its arguments.

    Raises:
        ValueError: If it makes nothing that remembers how it was built.
        TypeError: If it does not take these arguments.
    """
    asked = _Asked(_class_made(make))
    before = _ASKED.set(asked)
    try:
        with suppress(_Answered):
            make(**options)
    finally:
        _ASKED.reset(before)
    if asked.config is None:
        raise ValueError(f"{make} makes nothing that remembers how it was built")
    if "fault" in asked.config:
        raise ValueError(asked.config["fault"])
    return asked.config


def _class_made(make: Callable[..., nn.Module]) -> str | None:
    """Name of the class that a function is annotated to return; None: whatever it makes first."""
    made = None if isinstance(make, type) else getattr(make, "__annotations__", {}).get("return")
    return getattr(made, "__name__", str(made)).rpartition(".")[2] if made else None


def build(config: Mapping[str, Any]) -> nn.Module:
    """A module of the class and the arguments that :func:`config_of` gave, its weights freshly drawn.

    Raises:
        ValueError: If a class is not one of medmae's networks or what describes them, or does not take an argument.
    """
    module = _decode(dict(config))
    if not isinstance(module, nn.Module):
        raise ValueError(f"{config.get(TARGET)!r} is no network")
    return module


def _remembering(init: Callable[..., None]) -> Callable[..., None]:
    signature = inspect.signature(init)

    @functools.wraps(init)
    def wrapper(self: Any, *args: Any, **options: Any) -> None:  # noqa: ANN401
        outermost = "_config" not in self.__dict__  # the class that is built, not one that it derives from
        if outermost:
            # Before the constructor, which may change what it is given; as text, which TorchScript takes for a text.
            bound = signature.bind(self, *args, **options)
            bound.apply_defaults()
            config = _described(self, bound)
            _answer(type(self), config, signature)
            object.__setattr__(self, "_config", json.dumps(config))
        init(self, *args, **options)
        if outermost:
            for name, parameter in signature.parameters.items():
                if parameter.kind is inspect.Parameter.VAR_KEYWORD:
                    _complete(self, part=getattr(self, name, None), sizes=handed_on(parameter))

    return wrapper


def _described(module: object, bound: inspect.BoundArguments) -> dict[str, Any]:
    cls = type(module)
    given = dict(list(bound.arguments.items())[1:])  # without self
    for name, parameter in bound.signature.parameters.items():
        if parameter.kind is inspect.Parameter.VAR_KEYWORD:
            given |= given.pop(name)
    try:
        return {TARGET: _name(cls), **{name: _encode(value, name=name) for name, value in given.items()}}
    except TypeError as error:
        return {"fault": f"{cls.__name__} cannot be described: {error}"}


def _answer(cls: type, config: dict[str, Any], signature: inspect.Signature) -> None:
    """Tells :func:`config_by` what is about to be built, and builds no more than it takes to know all of it."""
    asked = _ASKED.get()
    if asked is None:
        return
    if asked.config is None:
        if asked.wanted not in (None, *(one.__name__ for one in cls.__mro__)):
            return
        rest = [one for one in signature.parameters.values() if one.kind is inspect.Parameter.VAR_KEYWORD]
        asked.config, asked.sizes = config, handed_on(rest[0]) if rest else ()
        if not rest:
            raise _Answered
    elif EncoderSizes.__annotations__.keys() <= signature.parameters.keys():  # what it hands its sizes on to
        asked.config |= {name: config[name] for name in asked.sizes if name not in asked.config}
        raise _Answered


def handed_on(parameter: inspect.Parameter) -> tuple[str, ...]:
    """Sizes that a module hands on by ``**encoder: Unpack[...]``: of blocks alone, or of the data and its patches, too.

    Of an annotation that is not evaluated there is no more than its text.
    """
    sizes = BlockSizes if BlockSizes.__name__ in str(parameter.annotation) else EncoderSizes
    return tuple(sizes.__annotations__)


def _complete(module: Any, *, part: object, sizes: Sequence[str]) -> None:  # noqa: ANN401 - any Configured
    """Sizes that a module hands on (``**encoder``) and was not told are those that this part was built with."""
    config, own = json.loads(module._config), json.loads(getattr(part, "_config", "{}"))
    more = {name: own[name] for name in sizes if name in own and name not in config}
    if "fault" not in config:
        object.__setattr__(module, "_config", json.dumps({**config, **more}))


def _encode(value: object, *, name: str) -> Any:  # noqa: ANN401
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list):
        return [_encode(item, name=name) for item in value]
    if isinstance(value, tuple):
        return {TUPLE: [_encode(item, name=name) for item in value]}
    if isinstance(value, Mapping):
        return {str(key): _encode(item, name=f"{name}.{key}") for key, item in value.items()}
    if is_dataclass(value) and not isinstance(value, type):
        parts = {field.name: getattr(value, field.name) for field in fields(value) if field.init}
        return {TARGET: _name(type(value)), **{key: _encode(part, name=key) for key, part in parts.items()}}
    if isinstance(value, nn.Module) and hasattr(value, "_config"):
        return config_of(value)
    raise TypeError(f"its argument {name} is a {type(value).__name__}, no plain value")


def _decode(value: object) -> Any:  # noqa: ANN401
    if isinstance(value, list):
        return [_decode(item) for item in value]
    if not isinstance(value, dict):
        return value
    if value.keys() == {TUPLE}:
        return tuple(_decode(item) for item in value[TUPLE])
    options = {key: _decode(item) for key, item in value.items() if key != TARGET}
    if TARGET not in value:
        return options
    cls = _class(str(value[TARGET]))
    try:
        return cls(**options)
    except TypeError as error:
        raise ValueError(f"{cls.__name__} of this version of medmae takes other arguments ({error})") from error


def _name(cls: type) -> str:
    return f"{cls.__module__}.{cls.__qualname__}"


def _class(dotted: str) -> type:
    """A class of ours by its name; no other name is looked up, let alone imported.

    Raises:
        ValueError: If it is none, or there is none of this name.
    """
    module, _, name = dotted.rpartition(".")
    found = None
    if any(module == room or module.startswith(f"{room}.") for room in ROOMS):
        try:
            found = vars(importlib.import_module(module)).get(name)
        except ImportError:
            found = None
    if not isinstance(found, type) or found.__module__ != module:
        raise ValueError(f"this version of medmae has no network {dotted!r}")
    if not (is_dataclass(found) or issubclass(found, Configured)):
        raise ValueError(f"{dotted!r} is neither a network nor the description of one")
    return found
