"""The settings of a configuration: what a user can set, its value, and what it means by the recipe's own words."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from medmae.arguments import UNKNOWN
from medmae.bundle.check.documents import load
from medmae.bundle.check.ids import RUN_KEY, normal, overlaid, references, walk
from medmae.bundle.first_look import Values
from medmae.bundle.kept import as_yaml
from medmae.bundle.meanings import meaning
from medmae.bundle.places import used_ids, uses_of
from medmae.bundle.shipped import BASE_KEY, find_config, find_configs, home_of

_TARGET = "_target_"
_NOT_SET = frozenset({BASE_KEY, "imports", "initialize", "run", "finalize"})
# Ids of MONAI itself, which no documentation of ours could explain.
_OF_MONAI = {
    "bundle_root": "folder under which results go; a shipped bundle has runs/BUNDLE for it",
    _TARGET: "the class or the function that makes this; its arguments can be set, too",
}
_Layers = Mapping[Path, Mapping[str, Any]]


@dataclass(frozen=True)
class Setting:
    """One of them.

    Attributes:
        name: As it is typed after ``--``.
        value: As YAML; in words where it is chosen or computed when a run begins.
        meaning: In a few words; empty if neither a comment nor the documentation of its use says it.
    """

    name: str
    value: str
    meaning: str


def settings_of(bundle: Path, config: str) -> list[Setting]:
    """Settings of a configuration, in the order of its files.

    A setting means what the comment beside it says, of the last file that has one; else what the documentation says of
    the argument that it is given to; else what the comment of the bundle's ``train`` says.

    Args:
        bundle: Its folder.
        config: Name of a configuration; ``a,b`` merges b over a.

    Raises:
        FileNotFoundError: If there is no such configuration.
        ValueError: If one does not parse, or it cannot be run as it is.
    """
    layers = {path: _read(path) for path in find_configs(bundle, config, read=_read)}
    tree, faults = overlaid(layers.values())
    if faults or RUN_KEY not in tree:
        at = next(iter(faults), RUN_KEY)
        what = "sets a part of what is not there" if faults else "has nothing to run"
        raise ValueError(f"{config} {what} ({at}): it is to be merged over another configuration, as in train,{config}")
    told = {name: text for path in [*_train(bundle), *layers] for name, text in comments(path).items()}
    own = {name: text for path in layers for name, text in comments(path).items()}
    reached, uses = used_ids(tree), uses_of(tree)
    values = Values(tree, {"bundle_root": str(home_of(bundle))})
    found = []
    for name in dict.fromkeys(_names(layers)):
        value = _at(tree, name)
        if name.partition("::")[0] in reached and _is_plain(value):
            known = _OF_MONAI.get(name.rpartition("::")[2])
            said = own.get(name) or known or _documented(tree, name, uses) or told.get(name) or ""
            found.append(Setting(name, _shown(value, values.of(name)), said))
    return found


def summary_of(path: Path) -> str:
    """What a configuration is, by the comment that it begins with; empty without one."""
    lines = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            break
        lines.append(line.lstrip("# ").rstrip())
    return " ".join(lines)


def comments(path: Path) -> dict[str, str]:
    """What stands behind ``#`` on the line where a top value of a YAML file ends, by its id."""
    text = path.read_text(encoding="utf-8")
    root = yaml.compose(text, yaml.SafeLoader) if path.suffix != ".json" else None
    if not isinstance(root, yaml.MappingNode):
        return {}
    lines, found = text.splitlines(), {}
    for key, value in root.value:
        if isinstance(value, yaml.ScalarNode) or value.flow_style:
            after = re.match(r"\s+#\s*(.+)", lines[value.end_mark.line][value.end_mark.column :])
            if after:
                found[normal(str(key.value)).removeprefix("+")] = after[1].strip()
    return found


def _train(bundle: Path) -> list[Path]:
    try:
        return [find_config(bundle, "train")]
    except FileNotFoundError:
        return []


def _read(path: Path) -> dict[str, Any]:
    content = load(path.read_text(encoding="utf-8"), json_format=path.suffix == ".json")
    if not isinstance(content, dict):
        raise ValueError(f"{path}: it is no mapping of settings to values")
    return content


def _names(layers: _Layers) -> Iterator[str]:
    """Ids that the files set; what is merged into a mapping is set part by part."""
    for content in layers.values():
        for raw, value in content.items():
            name = normal(str(raw))
            if name.startswith("+") and isinstance(value, dict):
                yield from (f"{name[1:]}::{part}" for part in value)
            elif name.removeprefix("+") not in _NOT_SET:
                yield name.removeprefix("+")


def _at(tree: Any, name: str) -> Any:  # noqa: ANN401
    for part in name.split("::"):
        tree = tree[int(part)] if isinstance(tree, list) else tree[part]
    return tree


def _is_plain(value: Any) -> bool:  # noqa: ANN401
    """Whether it holds no object of the recipe, and is no other setting under a second name."""
    parts = [one for _, one in walk(value)]
    objects = any(isinstance(one, dict) and _TARGET in one for one in parts)
    return not objects and not (isinstance(value, str) and value.startswith("@"))


def _shown(value: Any, known: object) -> str:  # noqa: ANN401
    """A value for a reader, who has no use for an expression."""
    if not isinstance(value, str) or not value.startswith("$"):
        return as_yaml(value if known is UNKNOWN else known)
    if known is not UNKNOWN:
        return as_yaml(known)
    if "torch.cuda" in value:
        return "chosen at start: the GPU, if there is one"
    return f"computed at start, from {', '.join(references(value))}"


def _documented(tree: Any, name: str, uses: Mapping[str, Sequence[tuple[str, str]]]) -> str | None:  # noqa: ANN401
    """What the documentation says of an argument, or of that to which a setting is handed."""
    above, _, argument = name.rpartition("::")
    parent = _at(tree, above) if above else None
    own = [(parent[_TARGET], argument)] if isinstance(parent, dict) and isinstance(parent.get(_TARGET), str) else []
    return next((text for target, named in [*own, *uses.get(name, [])] if (text := meaning(target, named))), None)
