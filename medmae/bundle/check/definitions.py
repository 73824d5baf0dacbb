"""What every id may be: in any configuration, because whoever runs a bundle may merge any of them over any other."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from medmae.bundle.check.ids import normal, walk
from medmae.bundle.check.source import METADATA, Bundle

# Parts of the metadata that the dynamic checks give to MONAI as overrides.
_PARTS = ("overrides", "train", "evaluate", "inference")
TRIED = tuple(f"medmae_check::{part}::" for part in _PARTS)


def contents(bundle: Bundle) -> Iterator[tuple[str, dict[str, Any]]]:
    """Everything that MONAI parses: configurations, and the overrides by which the dynamic checks try a bundle.

    Yields:
        What a finding's path begins with (an id follows), and a mapping of ids to values.
    """
    for path, content in bundle.configs.items():
        yield f"{path}: ", content
    settings = (bundle.metadata or {}).get("medmae_check")
    settings = settings if isinstance(settings, dict) else {}
    for part, begin in zip(_PARTS, TRIED, strict=True):
        if isinstance(settings.get(part), dict):
            yield f"{METADATA}: {begin}", settings[part]


class Definitions:
    """Every value that any configuration gives to an id, seen from one recipe.

    Args:
        contents: Of the configurations, in any order.
    """

    def __init__(self, *contents: Mapping[str, Any]) -> None:
        self._values: dict[str, list[Any]] = {}
        self._recipe: Mapping[str, Any] = {}
        for content in contents:
            # `+id` with a mapping adds to what another configuration defines: its parts are values, it is none.
            added = {normal(key[1:]) for key, value in content.items() if key[:1] == "+" and isinstance(value, Mapping)}
            for at, value in walk(content):
                if at not in added:
                    self._values.setdefault(at, []).append(value)

    def within(self, recipe: Mapping[str, Any]) -> Definitions:
        """The same, seen from a recipe."""
        seen = Definitions()
        seen._values, seen._recipe = self._values, recipe
        return seen

    def of(self, name: str) -> list[Any] | None:
        """Values of an id, none if nothing defines it; None if it can be a part of what a reference brings."""
        parts = name.split("::")
        parents = ("::".join(parts[:count]) for count in range(1, len(parts)))
        if any(isinstance(value, str) for parent in parents for value in self._values.get(parent, [])):
            return None
        return self._values.get(name, [])

    def is_function(self, name: str) -> bool:
        """Whether an id is a function or class on the list in this recipe, and made by a target in every other."""
        value: Any = self._recipe
        for part in name.split("::"):
            value = value.get(part) if isinstance(value, Mapping) else None
        called = isinstance(value, Mapping) and value.get("_mode_") == "callable"
        return called and self.is_made_of(name, ".*")

    def is_made_of(self, name: str, pattern: str) -> bool:
        """Whether an id is everywhere made by a target whose name fits a pattern; never by an expression."""
        values = self.of(name)
        made = bool(values) and all(isinstance(value, Mapping) and "_target_" in value for value in values or [])
        return made and all(re.fullmatch(pattern, str(target)) for target in self._values[f"{name}::_target_"])
