"""Networks out of weight files that say of which network they are: built as they were trained, and loaded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from torch import nn
from torch.nn.modules.module import register_module_parameter_registration_hook

from medmae.errors import DataError
from medmae.nn.config import TARGET, build
from medmae.nn.encoder import Encoder
from medmae.reading import words_of
from medmae.weights.io import load_weights
from medmae.weights.networks import Config, read_networks
from medmae.weights.pretrained import load_encoder

_WIDER = 4  # times: a file may hold a number in one byte that is trained in four
_SMALL = 50_000_000  # bytes that any machine has
_LEAST = 1000  # bytes that a parameter takes beside its numbers


def network_of(path: str | Path, *, expected: Mapping[str, Any] | None = None) -> nn.Module:
    """The network of a file of ours, built as it was trained and loaded.

    Args:
        path: Its weights, ``.safetensors``.
        expected: Arguments that whoever asks believes it has.

    Raises:
        DataError: If the file does not say which network it is of, says one that this version does not have, was built
            with other arguments than ``expected``, or is damaged.
    """
    network = unloaded_network_of(path, expected=expected)
    load_weights(network, path)
    return network


def unloaded_network_of(path: str | Path, *, expected: Mapping[str, Any] | None = None) -> nn.Module:
    """The same with its first weights: for those who load a part, or only look."""
    config = read_networks(path).get("")
    if config is None:
        raise DataError(
            "this file does not say of which network it is: it was not written by a training or `medmae import`",
            path=path,
            remedy="write it anew with `medmae import FILE OUT --method ... --set ...`, which says it",
        )
    _refuse_other_arguments(config, expected or {}, path=path)
    return _built(config, path)


def encoder_of(path: str | Path, *, part: str = "encoder") -> nn.Module:
    """The encoder of a file of ours, built as it was trained and loaded; what else the file holds stays behind.

    Args:
        path: Weights of a method, of a network around its encoder, or of an encoder alone.
        part: Name of the encoder, if the file holds more than it.

    Raises:
        DataError: As :func:`network_of`; or if there is no such encoder.
    """
    configs = read_networks(path)
    if "" not in configs and part in configs:  # keys of an encoder behind its name in the method
        encoder = _built(configs[part], path)
    else:
        network = unloaded_network_of(path)
        parts = dict(network.named_modules())
        encoder = parts.get(part, network if isinstance(network, Encoder) else None)  # type: ignore[assignment]
        if encoder is None or not isinstance(encoder, Encoder):
            raise DataError(
                f"there is no encoder {part!r} in these weights",
                path=path,
                field="part",
                value=[name for name, one in parts.items() if isinstance(one, Encoder)],
                remedy="name one of these",
            )
    load_encoder(encoder, path, part=part)
    return encoder


def _built(config: Config, path: str | Path) -> nn.Module:
    try:
        with _no_larger_than_its_file(path):
            return build(config)
    except (DataError, ModuleNotFoundError):
        raise
    except Exception as error:  # a header may hold anything
        raise DataError(
            f"this version of medmae cannot build the network of these weights: {words_of(error)}",
            path=path,
            field=TARGET,
            value=config.get(TARGET),
            remedy="load them with the version that wrote them, which the header names (medmae)",
        ) from error


@contextmanager
def _no_larger_than_its_file(path: str | Path) -> Iterator[None]:
    """Stops a network at the parameter too many: a header of a kilobyte may promise what no memory holds."""
    left = _WIDER * Path(path).stat().st_size + _SMALL

    def count(_: nn.Module, name: str, parameter: nn.Parameter | None) -> None:
        nonlocal left
        left -= _LEAST + (0 if parameter is None else parameter.numel() * parameter.element_size())
        if left < 0:
            raise DataError(
                "its header promises a network larger than the file",
                path=path,
                field=name,
                value=None if parameter is None else tuple(parameter.shape),
                remedy="download the file again, or import it anew",
            )

    handle = register_module_parameter_registration_hook(count)
    try:
        yield
    finally:
        handle.remove()


def _refuse_other_arguments(config: Config, expected: Mapping[str, Any], *, path: str | Path) -> None:
    for name, value in expected.items():
        if name not in config:
            raise DataError(
                f"the network of these weights has no argument {name!r}",
                path=path,
                field=name,
                value=value,
                remedy=f"leave it out: they are of a {config[TARGET].rpartition('.')[2]}",
            )
        if config[name] != value:
            raise DataError(
                f"these weights were trained with {name} = {config[name]!r}",
                path=path,
                field=name,
                value=value,
                remedy="leave it out: weights know their sizes",
            )
