"""The layouts that weights come in, found in the files of :mod:`medmae.weights.maps`."""

from __future__ import annotations

import importlib
import pkgutil

from medmae.weights import maps
from medmae.weights.maps.base import KeyMap


def sources() -> dict[str, KeyMap]:
    """Every key map by its name in small letters: ``mae``, ``timm``, ``vit_mae``, ..."""
    found: dict[str, KeyMap] = {}
    for module in pkgutil.iter_modules(maps.__path__):
        content = vars(importlib.import_module(f"{maps.__name__}.{module.name}"))
        found |= {name.lower(): value for name, value in content.items() if isinstance(value, KeyMap)}
    return dict(sorted(found.items()))


def key_map_of(layout: KeyMap | str | None) -> KeyMap | None:
    """A key map as it is, or by its name; None stays None.

    Raises:
        ValueError: As :func:`source`; or if it is something else.
    """
    if isinstance(layout, str):
        return source(layout)
    if layout is not None and not isinstance(layout, KeyMap):
        raise ValueError(f"key_map must be a KeyMap or one of {', '.join(sources())}, got a {type(layout).__name__}")
    return layout


def source(name: str) -> KeyMap:
    """One of them.

    Raises:
        ValueError: If there is none of that name, with the names that exist.
    """
    known = sources()
    if name not in known:
        raise ValueError(f"no layout {name!r} is known; there are {', '.join(known)}")
    return known[name]
