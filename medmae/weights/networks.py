"""Which network a weight file is of: its class and sizes stand in the header, so that nobody has to repeat them."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import nn

from medmae.nn.config import TARGET, config_of
from medmae.weights.header import entry, read_entry

FIELD = "networks"
Config = dict[str, Any]


def networks_header(module: nn.Module, *, prefix: str = "") -> dict[str, str]:
    """An entry for the metadata of a file whose keys are those of ``module`` behind ``prefix``.

    A network that does not know how it was built gets none, with a warning.
    """
    try:
        return entry(FIELD, {prefix.removesuffix("."): config_of(module)})
    except ValueError as error:
        warnings.warn(f"whoever loads these weights has to say their sizes: {error}", stacklevel=2)
        return {}


def read_networks(path: str | Path) -> dict[str, Config]:
    """Class and arguments of the network in a file, by the prefix of its keys; nothing of files that do not say it.

    Raises:
        DataError: If the header says it in another form than :func:`networks_header`.
    """
    return read_entry(path, FIELD, _parsed, empty={})


def _parsed(values: Mapping[str, Config]) -> dict[str, Config]:
    if not all(isinstance(config, dict) and isinstance(config[TARGET], str) for config in values.values()):
        raise TypeError("a network is a class and its arguments")
    return dict(values)
