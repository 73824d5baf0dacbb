"""Check 9: every id that is referred to exists, without circles. Check 10: the ids that MONAI's tools ask for exist."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from medmae.bundle.check.definitions import contents
from medmae.bundle.check.finding import Problem
from medmae.bundle.check.grammar import reference_refusal
from medmae.bundle.check.ids import Recipe, normal, recipes, references, walk
from medmae.bundle.check.source import METADATA, SUFFIXES, Bundle
from medmae.bundle.shipped import BASE_KEY

_COMMON = ("bundle_root", "device", "dataset_dir")
# From monai/bundle/properties.py, which takes seconds to import; a test compares them.
REQUIRED = {
    "train": (*_COMMON, "train::trainer", "train::trainer::max_epochs", "train::dataset", "train::inferer"),
    "infer": (*_COMMON, "dataset", "evaluator", "network_def", "inferer"),
}
# Parameters of MONAI's commands to which the dynamic checks give overrides; a logging file would be evaluated.
RESERVED = frozenset(
    {"args_file", "ckpt_file", "config_file", "converter_kwargs", "filepath", "final_id", "init_id", "input_shape"}
    | {"key_in_ckpt", "logging_file", "meta_file", "net_id", "override", "properties_path", "run_id", "tracking"}
    | {"use_trace", "workflow_type"}
)
_RUNNABLE = ("run",)


def resolves(bundle: Bundle) -> Iterator[Problem]:
    """References of every recipe, overlays merged over theirs."""
    for recipe, at, message, remedy in _once(bundle, _resolve):
        yield Problem(f"{recipe.path}: {at}", message, remedy)
    yield from _overrides(bundle)


def required(bundle: Bundle) -> Iterator[Problem]:
    """A bundle trains, is evaluated and infers, and each recipe has the ids of its kind."""
    stems = {name.removeprefix("configs/").rpartition(".")[0] for name in bundle.files if name.startswith("configs/")}
    if not stems & {"train", "inference"}:
        yield Problem("configs", "holds neither train nor inference", "write configs/train.yaml")
    for stem in ("train", "evaluate", "inference"):
        if stem not in stems:
            yield Problem(f"configs/{stem}.yaml", "is missing", "users expect all three recipes", "warning")
    for recipe, at, message, remedy in _once(bundle, _require):
        yield Problem(f"{recipe.path}: {at}", message, remedy)


Fault = tuple[str, str, str]  # id, message, remedy


def _once(bundle: Bundle, faults: Callable[[Recipe], Iterator[Fault]]) -> Iterator[tuple[Recipe, str, str, str]]:
    """Faults of every recipe; those that an overlay only inherits are not said again."""
    said: set[Fault] = set()
    for recipe in sorted(recipes(bundle), key=lambda recipe: recipe.overlay):
        for fault in faults(recipe):
            if fault not in said:
                yield recipe, *fault
            if not recipe.overlay:
                said.add(fault)


def _resolve(recipe: Recipe) -> Iterator[Fault]:
    for at, reason in recipe.faults.items():
        yield at, reason, f"mend the key, or name the recipe in `{BASE_KEY}`"
    yield from _keys(recipe)
    values = dict(walk(recipe.tree))
    targets = {at: list(_targets(value)) for at, value in values.items()}
    for at, wanted in targets.items():
        for name in wanted:
            if name not in values and BASE_KEY not in recipe.faults:
                yield at, f"@{name} does not exist", "define it, or mend the reference"
    if circle := _circle(values, targets):
        yield circle[0], f"goes in a circle: {' -> '.join(circle)}", "break the circle"


def _overrides(bundle: Bundle) -> Iterator[Problem]:
    """Those by which the metadata have the bundle tried out."""
    tops = {normal(str(key)).partition("::")[0] for content in bundle.configs.values() for key in content}
    for where, content in contents(bundle):
        for key in content if where.startswith(METADATA) else ():
            if normal(key).partition("::")[0] not in tops - RESERVED:
                yield Problem(f"{where}{key}", "overrides no id of a recipe", "name one; the checks set the rest")


def _require(recipe: Recipe) -> Iterator[Fault]:
    ids = {at for at, _ in walk(recipe.tree)}
    for name in (*REQUIRED[recipe.kind], *_RUNNABLE):
        if name not in ids and BASE_KEY not in recipe.faults:
            yield name, "is missing", "define it: MONAI's tools ask for it"


def _keys(recipe: Recipe) -> Iterator[Fault]:
    """MONAI splits ids at ``::`` only in the keys of the top: deeper, such a key would hide another id."""
    for at, value in walk(recipe.tree):
        if isinstance(value, Mapping) and at.partition("::")[0] != "_meta_":
            for key in value:
                if not isinstance(key, str | int) or not re.fullmatch(r"[\w.+/ -]+", normal(str(key))):
                    yield at, f"{key!r} is no key", "use letters, digits and _"


def _targets(value: Any) -> Iterator[str]:  # noqa: ANN401
    """Ids that a value refers to; what may not be referred to at all is the business of check 8."""
    if isinstance(value, str):
        found = references(value)
        if value.startswith("%") and not any(suffix in value.lower() for suffix in SUFFIXES):
            found = [normal(value)[1:]]
        yield from (name for name in found if reference_refusal(name) is None)


def _circle(values: Mapping[str, Any], targets: Mapping[str, list[str]]) -> list[str] | None:
    """A way from an id back to itself, by what it refers to and what it is made of."""
    done: set[str] = set()
    for start in values:
        stack, way = [(start, iter(_next(start, values, targets)))], {start: None}  # ordered, and quick to look into
        while stack and start not in done:
            at, following = stack[-1]
            step = next(following, None)
            if step is None:
                done.add(at)
                stack.pop()
                way.popitem()
            elif step in way:
                names = list(way)
                return [*names[names.index(step) :], step]
            elif step not in done:
                stack.append((step, iter(_next(step, values, targets))))
                way[step] = None
    return None


def _next(at: str, values: Mapping[str, Any], targets: Mapping[str, list[str]]) -> list[str]:
    value = values[at]
    if not at or at == "_meta_":
        return []  # nothing may refer to the whole
    parts = range(len(value)) if isinstance(value, list) else list(value) if isinstance(value, Mapping) else []
    return [name for name in (*targets[at], *(f"{at}::{part}" for part in parts)) if name in values]
