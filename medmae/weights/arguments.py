"""What somebody wants of a network whose weights say how it was built: taken where they fit, refused by name else."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medmae.errors import DataError
from medmae.nn.arguments import networks_in, plain, same
from medmae.nn.sizes import EncoderSizes
from medmae.weights.networks import Config

# What decides which tensors there are, and what they mean; a scale is compared when weights are loaded.
_SIZES = frozenset(EncoderSizes.__annotations__) - {"scale"}
_SHAPING = re.compile(
    r"(?:\w+_)?(?:bands|channels|class_token|classes|contrasts|decoder|depths?|dim|frames|heads|joints|modalities"
    r"|neighbours|outputs|positions|size)"
)


@dataclass(frozen=True)
class Wanted:
    """An argument as somebody gave it.

    Attributes:
        value: It.
        option: How it was given, such as ``image_size``.
    """

    value: object
    option: str


def with_arguments(config: Config, wanted: Mapping[str, Wanted], *, path: str | Path) -> Config:
    """The network of a file with some arguments set anew: how much is hidden, say, is a question of its own.

    Args:
        config: As the file says it.
        wanted: By the place of the argument, such as ``network.encoder.depth``.
        path: The file.

    Raises:
        DataError: If a size, or whatever else decides which tensors a network has, is wanted that the weights were not
            trained with.
    """
    config = copy.deepcopy(config)
    for place, one in wanted.items():
        *above, last = place.split(".")
        part: Any = config
        for name in above:
            part = networks_in(part)[int(name)] if name.isdigit() else part[name]
        if last in part and same(part[last], one.value):
            continue
        if shapes(last):
            raise contradiction(part.get(last), one, path=path)
        part[last] = one.value
    return config


def is_size(name: str) -> bool:
    """Whether it is a size of an encoder or a decoder: what presets are told from each other by."""
    return name in _SIZES or name in ("decoder_depth", "decoder_dim", "decoder_heads")


def shapes(name: str) -> bool:
    """Whether an argument of this name decides which tensors a network has, or what they mean."""
    return name in _SIZES or _SHAPING.fullmatch(name) is not None


def contradiction(theirs: object, wanted: Wanted, *, path: str | Path, what: str = "") -> DataError:
    """Of what weights say and somebody wants; ``what`` they were trained for."""
    return DataError(
        f"these weights were trained {what}with {wanted.option} = {plain(theirs)}, and {plain(wanted.value)} is wanted",
        path=path,
        field=wanted.option,
        value=plain(wanted.value),
        remedy=f"leave --{wanted.option} out, for weights know what they are, or pass --{wanted.option} "
        f"{json.dumps(plain(theirs))}",
    )
