"""The scale that each encoder of a file expects of data: said in our headers, known of published files, or unknown."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path

from torch import nn

from medmae.errors import DataError
from medmae.kinds import Scale
from medmae.nn.scaling import InputScale
from medmae.weights.header import entry, read_entry

FIELD = "scale"

Said = Mapping[str, Scale]  # by the name of the encoder in its file; "" of a file of an encoder alone


def scales_of(module: nn.Module, *, prefix: str = "") -> dict[str, Scale]:
    """What each encoder below ``module`` expects, by its name behind ``prefix``."""
    return {(prefix + name).removesuffix("."): part.scale for name, part in _entrances(module).items()}


def scale_header(module: nn.Module, *, prefix: str = "") -> dict[str, str]:
    """An entry for the metadata of a safetensors file whose keys are those of ``module`` behind ``prefix``."""
    said = {name: scale.as_dict() for name, scale in scales_of(module, prefix=prefix).items()}
    return entry(FIELD, said)


def read_scales(path: str | Path) -> dict[str, Scale]:
    """What the header of a file says; nothing of other files, and of those that were written without.

    Raises:
        DataError: If the header says it in another form than :func:`scale_header`.
    """
    return read_entry(path, FIELD, lambda said: {name: Scale.of(values) for name, values in said.items()}, empty={})


def published(module: nn.Module, scale: Scale | None) -> dict[str, Scale]:
    """What weights of a published layout expect, for each encoder below ``module`` that was built without a scale."""
    return {name: scale for name, part in _entrances(module).items() if scale is not None and not part.said}


def settle(module: nn.Module, said: Said, *, path: str | Path) -> dict[InputScale, Scale]:
    """What each encoder that is to receive weights will expect of data; :meth:`InputScale.take` of it is due.

    A scale that the network was built with stands; where nobody named one, that of the weights is taken over, and a
    network of one channel that gets weights of colours takes its :meth:`~medmae.kinds.Scale.grey`.

    Args:
        module: Is to receive the weights.
        said: Of the weights, by our names.
        path: Their file.

    Raises:
        DataError: If network and weights both say one, and not the same, or that of the weights is of other channels.
    """
    settled, silent = {}, []
    for name, part in _entrances(module).items():
        if name not in said:
            silent += [] if part.said else [name or "the encoder"]
            continue
        theirs, fits = said[name], said[name].suits(part.channels)
        if part.said:
            if fits and theirs != part.scale:
                raise _refusal(theirs, f"and this network was built for {part.scale.as_dict()}", path)
        elif fits or part.channels == 1:
            settled[part] = theirs if fits else theirs.grey()
        else:
            raise _refusal(theirs, f"which does not suit {part.channels} channels: name the network's, scale=...", path)
    if silent:
        warnings.warn(
            f"{path} does not say what scale its encoder expects of data, and nobody named one: {', '.join(silent)} "
            "gets data as it is; published weights mostly expect another: name it, for instance scale='imagenet'",
            stacklevel=3,
        )
    return settled


def _refusal(theirs: Scale, but: str, path: str | Path) -> DataError:
    return DataError(
        f"the weights were trained on data of another scale, {but}",
        path=path,
        field=FIELD,
        value=theirs.as_dict(),
        remedy="leave scale out, and the network takes that of its weights",
    )


def _entrances(module: nn.Module) -> dict[str, InputScale]:
    """By the names of their encoders."""
    parts = {name: part for name, part in module.named_modules() if isinstance(part, InputScale)}
    return {name.rpartition(".")[0]: part for name, part in parts.items()}
