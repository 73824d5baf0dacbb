"""What runs of a bundle that passed the static checks: the mappings that were checked, never its files again."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from monai.bundle import ConfigParser


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
