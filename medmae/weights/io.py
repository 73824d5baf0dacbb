"""Loading weights into a module, with a table of what matched."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

import torch
from torch import nn

from medmae.errors import DataError
from medmae.weights.adapt import Adaptation, adapt_state
from medmae.weights.maps.base import KeyMap
from medmae.weights.read import State, load_state
from medmae.weights.report import ImportReport
from medmae.weights.scales import published, read_scales, settle
from medmae.weights.sources import key_map_of
from medmae.weights.unseen import published_unseen, read_unseen, refuse_others
from medmae.weights.write import save_pt, save_safetensors

__all__ = ["ImportReport", "State", "import_state", "load_state", "load_weights", "save_pt", "save_safetensors"]


def import_state(
    module: nn.Module,
    state: State,
    *,
    key_map: KeyMap | None = None,
    strict: bool = True,
    adapt: Adaptation | Collection[Adaptation] = (),
    file_grid: Sequence[int] | None = None,
) -> ImportReport:
    """Loads a state dict into ``module``, whole or not at all.

    Args:
        module: Receives the weights.
        state: Theirs.
        key_map: How their keys are called here; None if they are ours.
        strict: Refuse missing, unexpected or reshaped keys. Without it what fits is loaded, if that is at least
            95 % of the encoder's keys, and the report says what did not.
        adapt: Which tensors of other shapes may be made to fit; see :func:`medmae.weights.adapt.adapt_state`.
        file_grid: Tokens along each axis of the file's position tables, if they are not of equal edges.

    Raises:
        ValueError: With the whole table, and ``module`` unchanged.
    """
    renamed, dead = key_map.apply(state) if key_map else (dict(state), [])
    own = module.state_dict()
    try:
        renamed, adapted = adapt_state(module, renamed, wanted=adapt, file_grid=file_grid)
    except ValueError as error:
        if homeless := sorted(renamed.keys() - own.keys()):  # the cause, where a table of positions is of more tokens
            raise ValueError(
                f"the file holds what this network has no place for, {', '.join(homeless)}; {error}"
            ) from error
        raise
    report = ImportReport.compare(renamed, own, dead=dead, adapted=adapted)
    name = type(module).__name__
    if strict and not report.fits:
        raise ValueError(f"the weights do not fit {name}:\n{report.table()}")
    if gap := report.encoder_gap():
        raise ValueError(f"the weights are not those of {name}: {gap}\n{report.table()}")
    # Whatever cannot be copied fails here, where nothing of the module has been touched.
    ready = {key: torch.empty_like(own[key]).copy_(renamed[key]) for key in report.matched}
    module.load_state_dict(ready, strict=False)
    return report


def load_weights(
    module: nn.Module,
    path: str | Path,
    *,
    sha256: str | None = None,
    key_map: KeyMap | str | None = None,
    strict: bool = True,
    adapt: Adaptation | Collection[Adaptation] = (),
    file_grid: Sequence[int] | None = None,
) -> ImportReport:
    """Loads a file into ``module``, whole or not at all; arguments as :func:`load_state` and :func:`import_state`.

    The scale that its encoders expect of data is that of the file, too; see :func:`medmae.weights.scales.settle`.

    Raises:
        DataError: If the file is missing or damaged, or belongs to another network: one with other keys or shapes or,
            where a file of ours says them, other heads, epsilons or scale; ``module`` is unchanged.
    """
    key_map = key_map_of(key_map)
    state = load_state(path, sha256=sha256)
    if key_map is None:
        refuse_others(module, read_unseen(path), path=path)
    else:
        encoder = getattr(module, "encoder", module)
        refuse_others(encoder, published_unseen(encoder, path, eps=key_map.eps), path=path)
    scales = settle(module, published(module, key_map.scale) if key_map else read_scales(path), path=path)
    try:
        report = import_state(module, state, key_map=key_map, strict=strict, adapt=adapt, file_grid=file_grid)
    except ValueError as error:
        remedy = "build the network with the sizes it was trained with, for instance the same --method::_target_"
        raise DataError(str(error), path=path, remedy=remedy) from error
    for part, scale in scales.items():
        part.take(scale)
    return report
