"""Numbers that the reference implementations gave, by method.

The whole files stand beside the repository; a clone has a part of each in ``data/``, see ``subset.py``. A test that
needs a number which its part lacks is skipped there and says so.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor

from tests.closeness import assert_close_in_scale
from tests.conftest import shared_folder
from tests.golden.subset import DATA, SUBSETS


@dataclass(frozen=True)
class Golden:
    """Tensors of one reference run, and how they were made.

    Args:
        tensors: By name.
        info: Losses, schedules and other figures.
        absent: Names, or beginnings of names, that are left out.
        share: Of a tensor's scale, that ours may be off by.
    """

    tensors: dict[str, Tensor]
    info: dict[str, Any]
    absent: tuple[str, ...] = ()
    share: float = 3e-5

    def __getitem__(self, name: str) -> Tensor:
        self._require(name)
        return self.tensors[name]

    def part(self, prefix: str, *, only: tuple[str, ...] = ("",)) -> dict[str, Tensor]:
        """The tensors below a prefix, without it; of these, if asked, those only that begin in one of some ways."""
        wanted = tuple(prefix + start for start in only)
        self._require(*wanted)
        return {key.removeprefix(prefix): value for key, value in self.tensors.items() if key.startswith(wanted)}

    def compare(self, actual: Tensor, expected: Tensor) -> None:
        """Demands that a tensor is theirs."""
        assert_close_in_scale(actual, expected, share=self.share)

    def approx(self, expected: float) -> Any:
        """A figure of theirs that a loss is to equal."""
        return pytest.approx(expected, rel=self.share)

    def _require(self, *wanted: str) -> None:
        lacking = [name for name in self.absent if name.startswith(wanted) or wanted[0].startswith(name)]
        if lacking:
            pytest.skip(f"the reference's {lacking[0]} is too large for the repository; MEDMAE_SHARED names its folder")


@pytest.fixture(scope="session")
def golden() -> Callable[[str], Golden]:
    """Return a function that reads the numbers of one method: all of them, or what the repository has."""

    def read(method: str) -> Golden:
        system = SUBSETS[method].source if method in SUBSETS else method
        tensors, info = (shared_folder() / "golden" / f"{system}.{suffix}" for suffix in ("safetensors", "json"))
        if tensors.is_file() and info.is_file():
            return Golden(load_file(tensors), json.loads(info.read_text()))
        if not (DATA / f"{method}.safetensors").is_file():
            pytest.skip(f"no golden numbers of {method}: neither in the repository nor in the shared reference data")
        with safe_open(DATA / f"{method}.safetensors", "pt") as file:
            notes = file.metadata()
            values = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118, not a mapping
        found = {
            key: value.float() if value.is_floating_point() and value.element_size() == 2 else value
            for key, value in values.items()
        }
        return Golden(found, json.loads(notes["info"]), tuple(json.loads(notes["absent"])), float(notes["share"]))

    return read
