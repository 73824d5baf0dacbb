"""A training on a pre-trained encoder takes that encoder's sizes: whoever names the file has to repeat none of them.

Where encoders of several methods serve (a recipe's ``of_any_method``), the method is that of the file, too, and frames
are taken as in its training. Sizes that a user typed, or that a configuration merged over the first one brings, are
compared with it, and refused by name where they contradict it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from pydoc import locate
from typing import Any

from medmae.bundle.how_read import is_given, of_any_method, reading
from medmae.bundle.kept import as_yaml
from medmae.errors import DataError
from medmae.methods.registry import methods
from medmae.nn.arguments import networks_in, plain, same
from medmae.nn.config import TARGET, config_by, config_of
from medmae.weights.about import read_about
from medmae.weights.arguments import Wanted, contradiction
from medmae.weights.networks import read_networks
from medmae.weights.trained import encoder_of

_TRAINING = "training"
_POSITIONS = frozenset({"image_size", "num_frames", "frames"})
# What an encoder is built with, by the names that methods and the encoder itself have for it.
_SIZES = (
    *("modalities", "outputs", "num_frames", "image_size", "tubelet_size", "patch_size", "in_channels"),
    *("frames", "joints", "token_frames", "embed_dim", "depth", "fusion_layers", "num_heads", "mlp_ratio", "norm_eps"),
)
_KINDS = "streams"  # what encoders of several kinds of data list them by
_CUT = ("patch_size", "bands", "channels", "scale")
_PRESET = re.compile(r"(medmae\.methods\.(\w+))\.\2_\w+")


def from_pretrained(parser: Any, *, given: Collection[str]) -> dict[str, Any]:  # noqa: ANN401 (MONAI's parser)
    """Settings that go before those of a configuration; none of one that starts from no weights of ours.

    Args:
        parser: Of the configuration, with all that was given already in its place.
        given: Ids that a user typed, or that a configuration merged over the first one sets.

    Raises:
        DataError: If the header of the weights is damaged, or what was given contradicts them.
    """
    training = parser.get(_TRAINING, None)
    path, holder = _pretrained(parser, training), _holder(parser, training)
    if path is None or holder is None:
        return {}
    networks = read_networks(path)
    config, any_method = networks.get("") or networks.get("encoder") or {}, of_any_method(training)
    if networks_in(parser.get(holder).get(_KINDS)):  # an encoder of several kinds, whose method may count otherwise
        config = config_of(encoder_of(path))
    settings = _of_kinds(parser, holder, config, path=path, given=given) | _sizes(
        parser, holder, config, path=path, given=given, any_method=any_method
    )
    read = reading(parser, path, given, of=training)
    settings |= {id_: value for id_, value in read.items() if value != parser.get(id_, None)}
    if settings and os.environ.get("LOCAL_RANK", "0") == "0":
        print(f"as {path} has it: " + " ".join(f"--{id_} {as_yaml(value)}" for id_, value in settings.items()))
    return settings


def _compare(parser: Any, id_: str, theirs: object, *, name: str, path: Path) -> None:  # noqa: ANN401
    """Refuses what cannot be loaded; whether other positions fit, loading tells."""
    if id_ in parser and name not in _POSITIONS and not same(theirs, wanted := parser.get_parsed_content(id_)):
        raise contradiction(theirs, Wanted(wanted, id_), path=path)


def _sizes(
    parser: Any,  # noqa: ANN401 (MONAI's)
    holder: str,
    config: Mapping[str, Any],
    *,
    path: Path,
    given: Collection[str],
    any_method: bool,
) -> dict[str, Any]:
    """Sizes by the ids that a recipe has for them, of those that are not as the recipe's own."""
    component, about, settings = parser.get(holder), read_about(path), {}
    target = str(component[TARGET])
    if f"{holder}::{TARGET}" not in given and (sibling := _sibling(target, about, any_method=any_method)) != target:
        target = settings[f"{holder}::{TARGET}"] = sibling
    make = locate(target)
    own = component if _KINDS in component else config_by(make) if callable(make) else {}
    if any_method and own and own[TARGET] != (theirs := config.get(TARGET)) and theirs in _classes():
        raise DataError(
            f"these weights are of {str(theirs).rpartition('.')[2]}, and {target} makes another method",
            path=path,
            field=f"{holder}::{TARGET}",
            value=target,
            remedy=f"leave --{holder}::{TARGET} out (and ,demo, if that brings it), for weights know what they are",
        )
    for name in _SIZES:
        # A network that resizes pictures for its encoder has a size of its own besides.
        place = "encoder_size" if name == "image_size" and own.get("encoder_size") is not None else name
        value = component.get(place)
        option = value[1:] if isinstance(value, str) and value.startswith("@") else ""
        id_ = option or f"{holder}::{place}"
        if name not in config or (not option and place not in own):
            continue
        if is_given(id_, given):
            _compare(parser, id_, config[name], name=name, path=path)
        elif option or not same(own[place], config[name]):
            settings[id_] = plain(config[name])
    if f"{holder}::modalities" not in settings:
        settings.pop(f"{holder}::outputs", None)  # which only have to be among them
    return settings


def _of_kinds(
    parser: Any,  # noqa: ANN401 (MONAI's)
    holder: str,
    config: Mapping[str, Any],
    *,
    path: Path,
    given: Collection[str],
) -> dict[str, Any]:
    """Of each kind of data that an encoder lists, how it is cut and scaled; its length is a question of its own."""
    known = {kind[TARGET]: kind for kind in networks_in(config.get(_KINDS))}
    settings: dict[str, Any] = {}
    for kind in networks_in(parser.get(holder).get(_KINDS)):
        theirs = known.get(kind[TARGET], {})
        for name in (name for name in _CUT if name in theirs and str(kind.get(name)).startswith("@")):
            id_ = kind[name][1:]
            if is_given(id_, given):
                _compare(parser, id_, theirs[name], name=name, path=path)
            else:
                settings[id_] = plain(theirs[name])
    return settings


def _pretrained(parser: Any, training: Any) -> Path | None:  # noqa: ANN401
    """The file, if it is there."""
    if not isinstance(training, dict) or "pretrained" not in training:
        return None
    path = parser.get_parsed_content(f"{_TRAINING}::pretrained")
    return Path(path) if isinstance(path, str | Path) and Path(path).is_file() else None


def _holder(parser: Any, training: Any) -> str | None:  # noqa: ANN401
    """Id of what the encoder is taken out of: a method, or the encoder itself where that is part of a classifier."""
    method = _followed(parser, training, "module", "method")
    node = parser.get(method) if method else None
    if isinstance(node, dict) and "encoder" in node:
        return _followed(parser, node, "encoder")
    if isinstance(node, dict) and "network" in node:
        return _followed(parser, node, "network", "encoder")
    return method


def _followed(parser: Any, node: Any, *names: str) -> str | None:  # noqa: ANN401
    """Id of the last of some arguments, each of what the one before refers to; None where one is missing."""
    found = None
    for name in names:
        known = re.fullmatch(r"\$?@(\w+)(?:\.encoder)?", str(node.get(name))) if isinstance(node, dict) else None
        if known is None:
            return None
        found, node = known[1], parser.get(known[1])
    return found


def _classes() -> set[str]:
    """Of all methods, by their whole names."""
    return {f"{spec.cls.__module__}.{spec.cls.__qualname__}" for spec in methods().values()}


def _sibling(target: str, about: Mapping[str, Any], *, any_method: bool) -> str:
    """The preset of the same name as that of the weights, if there is one: the demo's on the demo's.

    Of the same method or, where any serves, of that of the weights.
    """
    known, preset = _PRESET.fullmatch(target), str(about.get("preset"))
    spec = methods().get(str(about.get("method"))) if any_method else None
    if spec is not None and preset in spec.presets:
        return f"{spec.presets[preset].__module__}.{spec.presets[preset].__qualname__}"
    sibling = f"{known[1]}.{known[2]}_{preset}" if known else target
    return sibling if callable(locate(sibling)) else target
