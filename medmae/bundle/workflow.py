"""What runs of a bundle that passed the static checks: the mappings that were checked, never its files again."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from monai.bundle import ConfigParser
from monai.bundle.utils import merge_kv

from medmae.bundle.check.definitions import Definitions, contents
from medmae.bundle.check.documents import load
from medmae.bundle.check.expressions import expression_problems
from medmae.bundle.check.imports import imported
from medmae.bundle.check.refuse import refuse_targets
from medmae.bundle.check.source import Bundle
from medmae.bundle.shipped import shared_file
from medmae.errors import DataError


class Workflow:
    """Initialises, runs and finalises a configuration, as ``monai.bundle.ConfigWorkflow`` does with files.

    Unlike it, this reads nothing, leaves logging alone, and does not put the bundle's folder on Python's search path.

    Args:
        config: Ids and values.
        settings: Further ones that go before them.
    """

    def __init__(self, config: Mapping[str, Any], settings: Mapping[str, Any]) -> None:
        self.parser = ConfigParser(config=copy.deepcopy(dict(config)))
        self.parser.update(dict(settings))

    def initialize(self) -> None:
        """Parses the configuration and evaluates its ``initialize``."""
        self.parser.parse(reset=True)
        self._evaluate("initialize")

    def run(self) -> None:
        """Evaluates its ``run``.

        Raises:
            ValueError: If it has none.
        """
        if "run" not in self.parser:
            raise ValueError("the configuration has no `run`: it is to be merged over another, as in train,other")
        self._evaluate("run")

    def finalize(self) -> None:
        """Evaluates its ``finalize``."""
        self._evaluate("finalize")

    def _evaluate(self, name: str) -> None:
        """Each expression of a list once; results are not kept, so that it can be evaluated again."""
        lines = self.parser.get(name, [])
        for at in [f"{name}::{index}" for index in range(len(lines))] if isinstance(lines, list) else [name]:
            self.parser.get_parsed_content(at)
            self.parser.ref_resolver.remove_resolved_content(at)


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
    parser = ConfigParser(config={})
    for file, content in contents.items():
        for key, value in copy.deepcopy(dict(content)).items():
            try:
                merge_kv(parser, key, value)
            except KeyError as error:
                raise DataError(
                    "it sets a part of what is not there to be merged over",
                    path=file,
                    field=key,
                    value=",".join(each.stem for each in contents),
                    remedy=f"name what it belongs to first, as in train,{file.stem}",
                ) from error
    config: dict[str, Any] = parser.get()
    return config
