"""Numbers that the reference implementations gave, by system."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file
from torch import Tensor

from tests.closeness import assert_close_in_scale


@dataclass(frozen=True)
class Golden:
    """Tensors of one reference run, and how they were made."""

    tensors: dict[str, Tensor]
    info: dict[str, Any]

    def __getitem__(self, name: str) -> Tensor:
        return self.tensors[name]

    def part(self, prefix: str) -> dict[str, Tensor]:
        """The tensors below a prefix, without it."""
        return {key.removeprefix(prefix): value for key, value in self.tensors.items() if key.startswith(prefix)}

    def compare(self, actual: Tensor, expected: Tensor) -> None:
        """Demands that a tensor is theirs."""
        assert_close_in_scale(actual, expected)


@pytest.fixture(scope="session")
def golden(shared: Path) -> Callable[[str], Golden]:
    """Return a function that reads the numbers of one system."""

    def read(system: str) -> Golden:
        tensors, info = (shared / "golden" / f"{system}.{suffix}" for suffix in ("safetensors", "json"))
        if not (tensors.is_file() and info.is_file()):
            pytest.skip(f"no golden numbers for {system} in the shared reference data")
        return Golden(load_file(tensors), json.loads(info.read_text()))

    return read
