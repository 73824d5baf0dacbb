"""Methods and weights by the names that a command line gives them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, cast

from torch import nn

from medmae.arguments import UNKNOWN, arguments
from medmae.bundle.overrides import check_value, parse_options, read_value
from medmae.errors import DataError
from medmae.methods.base import Method
from medmae.methods.registry import create, methods
from medmae.nn.arguments import changed, plain
from medmae.nn.config import TARGET, build, config_of
from medmae.nn.heads import FeatureMap
from medmae.nn.vit import MaskedViT
from medmae.weights.arguments import Wanted, shapes, with_arguments
from medmae.weights.exchange import import_file
from medmae.weights.networks import read_networks
from medmae.weights.report import ImportReport


def method_by_name(name: str, *, preset: str, settings: Sequence[str] = ()) -> Method:
    """A method of a preset, some constructor arguments set anew.

    Args:
        name: As ``medmae list`` shows it.
        preset: One of its presets.
        settings: ``key=value`` each, such as ``image_size=160,256``.

    Raises:
        ValueError: If a name, a preset or an argument does not exist, with those that do.
    """
    options: dict[str, object] = dict(parse_options([f"--{setting}" for setting in settings]))
    known = (arguments(methods()[name].cls) if name in methods() else None) or {}
    for option in options.keys() & known.keys():
        now = UNKNOWN if known[option] is None else known[option]
        options[option] = read_value(option, str(options[option]), now)
        check_value(option, options[option], now)
    return create(name, preset=preset, **options)


def network_of_weights(
    path: str | Path, *, method: str | None = None, preset: str | None = None, settings: Sequence[str] = ()
) -> nn.Module:
    """The network that weights are of, for them to be loaded into.

    Args:
        path: The weights.
        method: As the user believes it to be; needed of weights that do not say of which network they are.
        preset: Likewise.
        settings: Likewise.

    Raises:
        DataError: If the weights say another, or nothing, and nobody names one.
        ValueError: If a name does not exist.
    """
    said = read_networks(path)
    config, unnamed = said.get(""), method is None and preset is None
    if config is None:
        if unnamed and not settings and "encoder" in said:  # what it was the encoder of, nobody knows
            return FeatureMap(encoder=cast(MaskedViT, build(said["encoder"])))
        if unnamed and not settings:
            raise DataError(
                "this file does not say of which network it is, as published ones and those of earlier versions do not",
                path=path,
                field="networks",
                remedy="say it: --method mae --preset base --set image_size=224, with all that differs from the preset",
            )
        return method_by_name(method or "mae", preset=preset or "base", settings=settings)
    if unnamed:
        wanted = {key: Wanted(value, key) for key, value in _read(config, settings).items()}
        return build(with_arguments(config, wanted, path=path))
    named = method_by_name(method or "mae", preset=preset or "base", settings=settings)
    other = {**config_of(named), "scale": config.get("scale")}  # of which loading takes care
    apart = changed(config, other) if other[TARGET] == config[TARGET] else {TARGET: config[TARGET]}
    if apart := {name: value for name, value in apart.items() if name == TARGET or shapes(name)}:
        raise DataError(
            "these weights are of another network: "
            + ", ".join(f"{name} is {plain(value)}, and not {plain(other.get(name))}" for name, value in apart.items()),
            path=path,
            field="method, preset, set",
            value=" ".join(filter(None, [method, preset, *settings])),
            remedy="leave --method, --preset and --set out: weights know what they are",
        )
    return named


def _read(config: Mapping[str, Any], settings: Sequence[str]) -> dict[str, object]:
    """Settings as typed, each of the kind that the network has."""
    options = parse_options([f"--{setting}" for setting in settings])
    if unknown := sorted(options.keys() - config.keys()):
        raise ValueError(f"{config[TARGET]} has no argument {unknown[0]!r}; there is {', '.join(sorted(config))}")
    return {key: read_value(key, text, UNKNOWN) for key, text in options.items()}


def import_by_name(
    path: str | Path,
    out: str | Path,
    *,
    method: str,
    preset: str,
    settings: Sequence[str],
    source: str | None,
    encoder_only: bool,
    adapt: Sequence[Any],
    file_grid: str | None,
    sha256: str | None,
) -> ImportReport:
    """:func:`medmae.weights.exchange.import_file` for a method by name; the file tells what it was made for.

    Raises:
        ValueError: If something does not exist or fit; nothing is written.
    """
    about = {"method": method, "preset": preset, "settings": " ".join(settings), "source": source or "medmae"}
    return import_file(
        path,
        out,
        method=method_by_name(method, preset=preset, settings=settings),
        source=source,
        encoder_only=encoder_only,
        adapt=adapt,
        file_grid=_integers(file_grid) if file_grid is not None else None,
        sha256=sha256,
        about={**about, "medmae": version("medmae")},
    )


def _integers(text: str) -> tuple[int, ...]:
    parts = text.split(",")
    if not all(part.strip().isdigit() for part in parts):
        raise ValueError(f"a grid is whole numbers with commas between them, such as 10,16; got {text!r}")
    return tuple(int(part) for part in parts)
