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


def source(name: str) -> KeyMap:
    """One of them.

    Raises:
        ValueError: If there is none of that name, with the names that exist.
    """
    known = sources()
    if name not in known:
        raise ValueError(f"no layout {name!r} is known; there are {', '.join(known)}")
    return known[name]
