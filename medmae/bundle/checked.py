"""What was checked of a bundle's configurations, merged as MONAI merges them, without MONAI: that takes seconds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from medmae.bundle.check.definitions import Definitions, contents
from medmae.bundle.check.documents import load
from medmae.bundle.check.expressions import expression_problems
from medmae.bundle.check.ids import normal, overlaid
from medmae.bundle.check.imports import imported
from medmae.bundle.check.refuse import refuse_targets
from medmae.bundle.check.source import Bundle
from medmae.bundle.shipped import shared_file
from medmae.errors import DataError

_NOT_THERE = (KeyError, IndexError, ValueError)


class Ids:
    """Values by their ids, as ``monai.bundle.ConfigParser`` finds them.

    Args:
        content: Ids of the top and values.
    """

    def __init__(self, content: dict[str, Any]) -> None:
        self.content = content

    def __getitem__(self, id_: str) -> Any:  # noqa: ANN401
        value: Any = self.content
        for part in normal(id_).split("::") if id_ else ():
            if not isinstance(value, dict | list):
                raise KeyError(part)
            value = value[int(part)] if isinstance(value, list) else value[part]
        return value

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
    tree, faults = overlaid(contents.values())
    for file, key in ((file, key) for file, content in contents.items() for key in content):
        if normal(str(key)).removeprefix("+") in faults:
            raise DataError(
                "it sets a part of what is not there to be merged over",
                path=file,
                field=key,
                value=",".join(each.stem for each in contents),
                remedy=f"name what it belongs to first, as in train,{file.stem}; behind inference and evaluate leave "
                f"{file.stem} out, for weights know their own sizes",
            )
    return tree
