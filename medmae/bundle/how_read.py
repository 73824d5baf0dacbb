"""How samples were read in training, which a network does not show: what uses the weights reads them so, too."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from pydoc import locate
from typing import Any

from medmae.data.video import sampling
from medmae.nn.config import TARGET
from medmae.weights.about import read_about

_READ = ("stride", "step", "max_words")
# Words that mean other things elsewhere, and the part whose options they are where a recipe has no id for them.
_OF_VIEW: Mapping[str, Mapping[str, str | None]] = {
    "Moments": dict.fromkeys(("kinds_read", "steps", "pictures")),
    "Skeletons": {**dict.fromkeys(("rate", "origin", "size"), "cut"), **dict.fromkeys(("stream", "layout"), "view")},
}
_PARTS = ("front",)  # of a view, that remember their arguments
_SAMPLING = "sampling"


def reading(parser: Any, weights: Path, given: Collection[str], *, of: Any) -> dict[str, Any]:  # noqa: ANN401 (MONAI's)
    """Settings that go before those of a configuration: who uses the weights may say otherwise.

    Args:
        parser: Of the configuration.
        weights: The file.
        given: Ids that a user typed, or that a configuration merged over the first one sets.
        of: The part of the configuration that uses them.
    """
    view = read_about(weights).get("view", {})
    said = _leaves(view)
    parts: Mapping[str, str | None] = {**dict.fromkeys(_READ), **_OF_VIEW.get(str(view.get("class")), {})}
    ids = {name: name if name in parser or not part else f"{part}::{name}" for name, part in parts.items()}
    found = {
        id_: said[name] for name, id_ in ids.items() if name in said and id_ in parser and not is_given(id_, given)
    }
    for part in (part for part in _PARTS if isinstance(parser.get(part, None), dict) and part not in given):
        own = parser.get(part)
        found |= {
            f"{part}::{argument}": value
            for argument, value in _arguments(view, part).items()
            if f"{part}::{argument}" not in given and not str(own.get(argument)).startswith("@")
        }
    return {**found, **_frames_taken(parser, view)} if of_any_method(of) and not is_given(_SAMPLING, given) else found


def of_any_method(recipe: Any) -> bool:  # noqa: ANN401 (MONAI's)
    """Whether a training, or what evaluates, takes encoders of several methods."""
    return bool(getattr(locate(str(recipe.get(TARGET))), "of_any_method", False))


def is_given(id_: str, given: Collection[str]) -> bool:
    """Whether somebody said something of an id."""
    return any(each == id_ or each.startswith(f"{id_}::") for each in given)


def _frames_taken(parser: Any, view: Mapping[str, Any]) -> dict[str, Any]:  # noqa: ANN401 (MONAI's)
    """By which rule frames of a video were taken; what has an id of its own is told by that."""
    taken = dict(view.get(_SAMPLING) or {})
    kind = getattr(sampling, str(taken.pop("class", None)), None)
    if kind is None:
        return {}
    options = {name: f"@{name}" if name in parser else value for name, value in taken.items()}
    return {_SAMPLING: {TARGET: f"{kind.__module__}.{kind.__name__}", **options}}


def _arguments(options: Mapping[str, Any], part: str) -> dict[str, Any]:
    """With which a part of a view was built, wherever it stands among its options."""
    for name, value in options.items():
        if isinstance(value, Mapping):
            found = value.get("arguments") if name == part else _arguments(value, part)
            if found:
                return dict(found)
    return {}


def _leaves(options: Mapping[str, Any]) -> dict[str, Any]:
    """Options of a view and its parts by their names."""
    found: dict[str, Any] = {}
    for name, value in options.items():
        found |= _leaves(value) if isinstance(value, Mapping) else {name: value}
    return found
