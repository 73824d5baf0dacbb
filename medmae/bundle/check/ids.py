"""Configurations as MONAI sees them: ids, merged files, references. Nothing is evaluated."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from medmae.bundle.check.source import METADATA, Bundle
from medmae.bundle.shipped import BASE_KEY

RUN_KEY = "run"  # a configuration with it is a recipe; one without is an overlay of `train`, if it names no other
_REFERENCE = re.compile(r"@(?:\w*)(?:::\w*)*")  # MONAI's ReferenceResolver.id_matcher


def normal(text: str) -> str:
    """An id or a value with ``::`` for the older ``#``, as MONAI does before it looks at it."""
    return text.replace("#", "::")


def walk(value: Any, at: str = "") -> Iterator[tuple[str, Any]]:  # noqa: ANN401
    """Every value of a configuration with its id, parents before children; keys of the top may be ids themselves."""
    yield at, value
    if isinstance(value, Mapping):
        children = [(str(key), child) for key, child in value.items()]
    elif isinstance(value, list):
        children = [(str(index), child) for index, child in enumerate(value)]
    else:
        return
    for key, child in children:
        key = normal(key.removeprefix("+")) if not at else key
        yield from walk(child, f"{at}::{key}" if at else key)


def references(value: str) -> list[str]:
    """Ids that a string refers to: every one in an expression, one in a string that is nothing but a reference."""
    value = normal(value)
    found = _REFERENCE.findall(value)
    return [item[1:] for item in found if value.startswith("$") or value == item]


def substituted(expression: str) -> str:
    """The Python text that MONAI evaluates for an expression: ``@id`` becomes a look-up, the ``$`` is gone."""
    text = normal(expression)
    for item in sorted(_REFERENCE.findall(text), key=len, reverse=True):
        text = text.replace(item, f"__local_refs['{item[1:]}']")
    return text[1:].lstrip(" \t")


@dataclass
class Recipe:
    """A configuration that can be run: a file, or an overlay merged over another file.

    Attributes:
        path: The file that is last in the merge.
        tree: Ids and values, with the metadata under ``_meta_``.
        faults: What could not be merged, by id.
        overlay: Whether it is merged over another.
    """

    path: str
    tree: dict[str, Any]
    faults: dict[str, str] = field(default_factory=dict)
    overlay: bool = False

    @property
    def stem(self) -> str:
        """Name of the configuration."""
        return PurePosixPath(self.path).stem

    @property
    def kind(self) -> str:
        """``train`` or ``infer``, as MONAI's properties have it."""
        return "train" if self.stem == "train" or "train" in self.tree else "infer"


def recipes(bundle: Bundle) -> list[Recipe]:
    """Every configuration of a bundle; overlays of a file that does not parse are left out."""
    metadata = bundle.metadata or {}
    by_stem = {PurePosixPath(path).stem: content for path, content in bundle.configs.items()}
    unreadable = {PurePosixPath(path).stem for path in bundle.unreadable}
    made = []
    for path, content in bundle.configs.items():
        recipe = Recipe(path, {}, overlay=_base(PurePosixPath(path).stem, content) is not None)
        layers, stem = [content], PurePosixPath(path).stem
        while (base := _base(stem, layers[0])) is not None and base not in unreadable:
            if base not in by_stem or any(by_stem[base] is layer for layer in layers):
                recipe.faults[BASE_KEY] = f"there is no {base!r} over which it could be merged"
                break
            layers, stem = [by_stem[base], *layers], base
        if base in unreadable:
            continue
        recipe.tree, faults = overlaid(layers)
        recipe.faults |= faults
        if METADATA in bundle.documents:
            recipe.tree["_meta_"] = metadata
        made.append(recipe)
    return made


def merged(bundle: Bundle, name: str) -> dict[str, Any]:
    """Ids and values of a configuration, as it is when it is merged over what it names."""
    tree = next(recipe.tree for recipe in recipes(bundle) if recipe.stem == name)
    return {key: value for key, value in tree.items() if key != "_meta_"}


def _base(stem: str, content: Mapping[str, Any]) -> str | None:
    """Name of the recipe over which a configuration is merged."""
    if BASE_KEY in content:
        return str(content[BASE_KEY])
    return None if RUN_KEY in content or stem in {"train", "evaluate", "inference"} else "train"


def overlaid(layers: Iterable[Mapping[str, Any]]) -> tuple[dict[str, Any], dict[str, str]]:
    """What ``ConfigParser.load_config_files`` makes of several files, from first to last.

    Returns:
        Ids and values; and what could not be merged, by id.
    """
    tree: dict[str, Any] = {}
    faults: dict[str, str] = {}
    for layer in layers:
        for raw, value in copy.deepcopy(dict(layer)).items():
            key = normal(str(raw))
            try:
                _put(tree, key.removeprefix("+"), value, adds=key.startswith("+"))
            except (KeyError, IndexError, ValueError, TypeError, AttributeError):
                faults[key.removeprefix("+")] = "names a part of what is not there"
    return tree, faults


def _put(tree: dict[str, Any], key: str, value: Any, *, adds: bool) -> None:  # noqa: ANN401
    """Sets an id, or adds to the mapping or the list that is there."""
    *parents, last = key.split("::")
    place: Any = tree
    for part in parents:
        place = place[int(part)] if isinstance(place, list) else place[part]
    index = int(last) if isinstance(place, list) else last
    if adds and isinstance(place.get(index), dict) and isinstance(value, dict):
        place[index].update(value)
    elif adds and isinstance(place.get(index), list) and isinstance(value, list):
        place[index].extend(value)
    elif adds and index in place:
        raise ValueError(f"{key} is neither a mapping nor a list, or what is added is another")
    else:
        place[index] = value
