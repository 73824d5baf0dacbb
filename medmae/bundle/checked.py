"""What was checked of a bundle's configurations, merged as MONAI merges them, without MONAI: that takes seconds."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from medmae.bundle.check.definitions import Definitions, contents
from medmae.bundle.check.documents import load
from medmae.bundle.check.expressions import expression_problems
from medmae.bundle.check.ids import normal
from medmae.bundle.check.imports import imported
from medmae.bundle.check.refuse import refuse_targets
from medmae.bundle.check.source import Bundle
from medmae.bundle.shipped import shared_file
from medmae.errors import DataError

_NOT_THERE = (KeyError, IndexError, ValueError)


class Ids:
    """Values by their ids, as ``monai.bundle.ConfigParser`` finds and sets them.

    Args:
        content: Ids of the top and values; set in place.
    """

    def __init__(self, content: dict[str, Any]) -> None:
        self.content = content

    def __getitem__(self, id_: str) -> Any:  # noqa: ANN401
        value: Any = self.content
        for part in normal(id_).split("::") if id_ else ():
            value = _part(value, part)
        return value

    def __setitem__(self, id_: str, value: object) -> None:
        above, _, last = normal(id_).rpartition("::")
        parent = self[above]
        _part(parent, last, may_be_new=True)
        parent[int(last) if isinstance(parent, list) else last] = value

    def __contains__(self, id_: str) -> bool:
        try:
            self[id_]
        except _NOT_THERE:
            return False
        return True

    def get(self, id_: str = "", default: object = None) -> Any:  # noqa: ANN401
        """The value of an id; ``default`` if there is none."""
        try:
            return self[id_]
        except _NOT_THERE:
            return default


def _part(value: Any, name: str, *, may_be_new: bool = False) -> Any:  # noqa: ANN401
    if isinstance(value, dict):
        return value.get(name) if may_be_new else value[name]
    if isinstance(value, list):
        return value[int(name)]
    raise KeyError(name)


def content_of(bundle: Bundle, file: Path) -> dict[str, Any]:
    """What was checked of a configuration of a bundle; an overlay that all share comes with medmae, and is read."""
    if file == shared_file(file.name):
        shared: dict[str, Any] = load(file.read_text(encoding="utf-8"), json_format=False)
        return shared
    content: dict[str, Any] = bundle.documents[f"configs/{file.name}"]
    return content


def checked_config(bundle: Bundle, files: Sequence[Path]) -> dict[str, Any]:
    """Configurations merged from left to right as MONAI merges them, and checked once more as they are then.

    Args:
        bundle: As it was checked.
        files: Its own, or those that all bundles share, which come with medmae.

    Raises:
        DataError: If what is merged is not what recipes may hold.
    """
    config = merged({file: content_of(bundle, file) for file in files})
    known = Definitions(*(content for _, content in contents(bundle)), config).within(config)
    refuse_targets(config)
    for at, reason in expression_problems(config, imported(config.get("imports")), known):
        raise DataError(f"merged, the configurations are no longer what was checked: {reason}", field=at)
    return config


def merged(contents: Mapping[Path, Mapping[str, Any]]) -> dict[str, Any]:
    """The contents of configurations merged from first to last, as MONAI does.

    Raises:
        DataError: If one sets a part of what those before it do not have.
    """
    ids = Ids({})
    for file, content in contents.items():
        for key, value in copy.deepcopy(dict(content)).items():
            try:
                _merge(ids, key, value)
            except _NOT_THERE as error:
                raise DataError(
                    "it sets a part of what is not there to be merged over",
                    path=file,
                    field=key,
                    value=",".join(each.stem for each in contents),
                    remedy=f"name what it belongs to first, as in train,{file.stem}",
                ) from error
    return ids.content


def _merge(ids: Ids, key: str, value: Any) -> None:  # noqa: ANN401
    """Sets a value; ``+`` before a key adds to the mapping or the list that is there."""
    there = ids.get(key.removeprefix("+")) if key.startswith("+") else None
    if isinstance(there, dict) and isinstance(value, dict):
        there.update(value)
    elif isinstance(there, list) and isinstance(value, list):
        there.extend(value)
    elif there is not None:
        raise ValueError(f"{key} adds to what is neither a mapping nor a list, as this is")
    else:
        ids[key.removeprefix("+")] = value
