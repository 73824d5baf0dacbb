"""Which preset a method is of, and what was changed of it: read off its arguments."""

from __future__ import annotations

from typing import Any

from medmae.methods.base import Method
from medmae.methods.registry import methods
from medmae.nn.arguments import changed, plain
from medmae.nn.config import config_by, config_of

_MANY = 50


def known_as(method: Method) -> dict[str, Any]:
    """What ``medmae list`` calls it: ``method``, the nearest ``preset``, and what was ``changed`` of that.

    Of a method in no list its class is told, and no preset.
    """
    name = next((name for name, spec in methods().items() if type(method) is spec.cls), None)
    if name is None:
        return {"method": type(method).__name__, "preset": None, "changed": {}}
    try:
        config = config_of(method)
    except ValueError:  # an argument that is no plain value
        return {"method": name, "preset": None, "changed": {}}
    changes = {preset: changed(config, config_by(make)) for preset, make in methods()[name].presets.items()}
    nearest = min(changes, key=lambda preset: (len(changes[preset]), preset == "tiny"))
    told = {name: _short(value) for name, value in changes[nearest].items()}
    return {"method": name, "preset": nearest, "changed": told}


def _short(value: object) -> object:
    """An argument, or how many values it has where nobody would read them all, such as the words of a vocabulary."""
    listed = plain(value)
    return f"{len(listed)} values" if isinstance(listed, list) and len(listed) > _MANY else value
