"""The layouts that weights go out in, found in the files of :mod:`medmae.weights.export`."""

from __future__ import annotations

import importlib
import pkgutil

from medmae.errors import check_choice
from medmae.weights import export
from medmae.weights.export.target import Target


def targets() -> dict[str, Target]:
    """Every target by its name: ``encoder``, ``mae``, ``timm``, ..."""
    found: dict[str, Target] = {}
    for module in pkgutil.iter_modules(export.__path__):
        content = vars(importlib.import_module(f"{export.__name__}.{module.name}"))
        found |= {value.name: value for value in content.values() if isinstance(value, Target)}
    return dict(sorted(found.items()))


def target(name: str) -> Target:
    """One of them.

    Raises:
        ValueError: If there is none of that name, with the names that exist.
    """
    known = targets()
    check_choice(name, tuple(known), name="to")
    return known[name]
