"""Parts of a pre-training with which parts of something else begin: an encoder twice, a head, layers of a text."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor, nn

from medmae.errors import DataError
from medmae.kinds import Scale
from medmae.nn.scaling import InputScale
from medmae.weights.io import import_state
from medmae.weights.pretrained import Encoders, own_of, said_of
from medmae.weights.read import load_state
from medmae.weights.report import ImportReport
from medmae.weights.scales import read_scales, settle
from medmae.weights.unseen import refuse_others


def load_parts(module: nn.Module, path: str | Path, *, parts: Mapping[str, str]) -> ImportReport:
    """Fills parts of a module from those of a file of ours, all of them or none.

    A norm that a part has dropped is left out. Heads, epsilons and scales are compared as
    :func:`medmae.weights.pretrained.load_encoder` does.

    Args:
        module: Has the parts.
        path: Of a method, such as ``pretraining.safetensors``.
        parts: What each is called in the file, by their names in the module; one of the file may be wanted twice.

    Returns:
        What happened to each key.

    Raises:
        DataError: If the file is missing, damaged, has no such part, or one that does not fit; the module is unchanged.
    """
    state = load_state(path)
    targets = Encoders({_key(own): module.get_submodule(own) for own in parts})
    wanted, scales = dict[str, Tensor](), dict[InputScale, Scale]()
    for own, theirs in parts.items():
        part = targets[_key(own)]
        found = {key.removeprefix(f"{theirs}."): value for key, value in state.items() if key.startswith(f"{theirs}.")}
        if not found:
            raise _lacking(theirs, path=path)
        refuse_others(part, said_of(path, theirs), path=path)
        scales |= settle(part, own_of(read_scales(path), theirs), path=path)
        wanted |= {f"{_key(own)}.{key}": value for key, value in found.items() if not _dropped(part, key)}
    try:
        report = import_state(targets, wanted)
    except ValueError as error:
        remedy = "build it with the sizes of the pre-training"
        raise DataError(str(error), path=path, remedy=remedy) from error
    for entrance, scale in scales.items():
        entrance.take(scale)
    return report


def _key(name: str) -> str:
    return name.replace(".", "/")  # modules hold no dots in the names of others


def _dropped(part: nn.Module, key: str) -> bool:
    """Whether a tensor is of a module that stands for nothing here."""
    try:
        return isinstance(part.get_submodule(key.rpartition(".")[0]), nn.Identity)
    except AttributeError:
        return False


def _lacking(part: str, *, path: str | Path) -> DataError:
    return DataError(
        f"these weights have no {part!r} to begin with",
        path=path,
        field=part,
        remedy="a matcher is there if pre-training had --matching 1; else leave matching out here, --matching 0",
    )
