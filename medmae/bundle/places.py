"""Where ``--key value`` goes in a recipe; what leads nowhere is refused before anything is made of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pydoc import locate
from typing import Any

from medmae.arguments import UNKNOWN, arguments, nearest, takes_whole_numbers
from medmae.bundle.argument_names import argument_names
from medmae.bundle.check.ids import references, walk
from medmae.bundle.checked import Ids
from medmae.errors import DataError

_TARGET, _SAMPLES = "_target_", "medmae.data.Samples"
_WORDS = frozenset({_TARGET, "_desc_", "_disabled_", "_mode_", "_requires_"})  # MONAI's own, of any object


def check_ids(names: Iterable[str], recipe: Mapping[str, Any]) -> None:
    """Refuses a misspelt id, and one that nothing which is run depends on: its value would be lost in silence.

    The first part of an id must stand in the configuration, or be one that MONAI's tools know.
    """
    own = {"bundle_root", "output_dir"}
    tops, used = recipe.keys() | own, used_ids(recipe) | own
    for name in names:
        top = name.replace("#", "::").split("::")[0]
        if top not in tops:
            raise ValueError(f"--{name}: the configuration has no {top!r}; {nearest(top, tops)}")
        if top not in used:
            raise ValueError(f"--{name}: nothing that this configuration runs depends on {top!r}: leave it out")


def used_ids(recipe: Mapping[str, Any]) -> set[str]:
    """Ids of the top that what is run refers to, and these refer to, and so on."""
    used: set[str] = set()
    wanted = {"imports", "initialize", "run", "finalize"} & recipe.keys()
    while wanted:
        top = wanted.pop()
        used.add(top)
        texts = [value for _, value in walk(recipe[top]) if isinstance(value, str)]
        found = {id_.partition("::")[0] for text in texts for id_ in references(text.replace("%", "@", 1))}
        wanted |= (found & recipe.keys()) - used
    return used


def uses_of(recipe: Mapping[str, Any]) -> dict[str, list[tuple[str, str]]]:
    """Class and argument to which an id is handed as it is, by the id."""
    found: dict[str, list[tuple[str, str]]] = {}
    for _, node in walk(recipe):
        if isinstance(node, dict) and isinstance(node.get(_TARGET), str):
            for argument, value in node.items():
                if isinstance(value, str) and value.startswith("@"):
                    found.setdefault(value[1:].replace("#", "::"), []).append((node[_TARGET], argument))
    return found


def refuse_fractions(recipe: Ids, given: Mapping[str, object]) -> None:
    """Refuses 1.5 epochs, samples or workers: what takes whole numbers alone would fail with it much later.

    Raises:
        DataError: With the id and the value.
    """
    uses = uses_of(recipe.get())
    for key, value in given.items():
        if not isinstance(value, float):
            continue
        above, _, argument = key.rpartition("::")
        parent = recipe.get(above) if above else None
        target = parent.get(_TARGET) if isinstance(parent, dict) else None
        own = [(target, argument)] if isinstance(target, str) else []
        for name, wanted in [*own, *uses.get(key, [])]:
            if callable(made := locate(name)) and takes_whole_numbers(made, wanted):
                said = f"--{key}: a whole number belongs here"
                raise DataError(said, field=key, value=value, remedy="leave the fraction out")


def place_of(recipe: Ids, name: str) -> str:
    """Where an id leads: parts of a reference are parts of what it refers to, and sizes of samples are their view's."""
    parts = name.replace("#", "::").split("::")
    for count in range(1, len(parts)):
        parent, rest = "::".join(parts[:count]), parts[count:]
        value = recipe.get(parent)
        if isinstance(value, str) and value.startswith("@"):
            return place_of(recipe, "::".join([value[1:], *rest]))
        if isinstance(value, str) and value.startswith("$"):
            raise ValueError(f"--{name}: {parent} is {value}, of which no part can be set; set what it is made of")
        of_samples = isinstance(value, dict) and value.get(_TARGET) == _SAMPLES
        if of_samples and rest[0] not in {_TARGET, *(argument_names(_SAMPLES) or ())}:
            return place_of(recipe, "::".join([parent, "view", *rest]))
    return "::".join(parts)


def require_places(recipe: Ids, keys: Iterable[str], targets: Mapping[str, object]) -> None:
    """Refuses ids that lead nowhere, as far as the source of classes tells what they take: nothing is imported.

    Args:
        recipe: Its ids.
        keys: As :func:`place_of` gave them.
        targets: Ids and new values of a ``_target_``.

    Raises:
        ValueError: As :func:`value_at`, which asks the classes themselves.
    """
    for key in keys:
        if key not in recipe and "::" in key:
            _missing(recipe, key, targets, takes=_by_source)


def value_at(recipe: Ids, key: str, targets: Mapping[str, object]) -> object:
    """What a recipe has under an id, or where that refers to; where it has nothing, what the class would take there.

    Args:
        recipe: Its ids.
        key: As :func:`place_of` gave it.
        targets: Ids and new values of a ``_target_``.

    Raises:
        ValueError: If the id leads nowhere: MONAI would take it in silence, or fail later.
    """
    if key not in recipe and "::" in key:
        return _missing(recipe, key, targets)
    value = recipe.get(key, UNKNOWN)
    for _ in range(10):
        if not isinstance(value, str) or not value.startswith("@"):
            break
        value = recipe.get(value[1:], UNKNOWN)
    return UNKNOWN if is_expression(value) else value


def _missing(
    recipe: Ids, key: str, targets: Mapping[str, object], *, takes: Callable[[str], dict[str, Any] | None] | None = None
) -> object:
    """The default of an argument that a recipe leaves out, by what its class ``takes``."""
    above, _, last = key.rpartition("::")
    if above not in recipe:
        _missing(recipe, above, targets, takes=takes)  # refuses a name that is none
        raise ValueError(f"--{key}: the recipe leaves {above} out; set all of it: --{above} '{{{last}: ...}}'")
    parent = recipe.get(above)
    if not isinstance(parent, dict):
        raise ValueError(f"--{key}: {above} is {parent!r}, which has no part {last!r}")
    target = targets.get(f"{above}::{_TARGET}", parent.get(_TARGET))
    if target is None and _inside_object(recipe, above):
        return UNKNOWN  # a mapping that is an argument may hold any name
    known = (takes or _imported)(target) if isinstance(target, str) else None if target is not None else {}
    if known is None or last in _WORDS:
        return UNKNOWN
    if last not in known:
        raise ValueError(f"--{key}: {target or above} has no {last!r}; {nearest(last, {*known, *parent} - _WORDS)}")
    return known[last]


def _by_source(target: str) -> dict[str, Any] | None:
    names = argument_names(target)
    return None if names is None else dict.fromkeys(names, UNKNOWN)


def _imported(target: str) -> dict[str, Any] | None:
    made = locate(target)
    return arguments(made) if callable(made) else None


def _inside_object(recipe: Ids, key: str) -> bool:
    parts = key.split("::")
    return any(_TARGET in recipe.get("::".join(parts[:count])) for count in range(1, len(parts)))


def is_expression(value: object) -> bool:
    """Whether MONAI evaluates, follows or opens a value."""
    return isinstance(value, str) and value[:1] in ("$", "@", "%")
