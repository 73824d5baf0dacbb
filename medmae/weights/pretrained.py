"""The encoder of a pre-training, taken over by what is fine-tuned on it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from torch import nn

from medmae.errors import DataError
from medmae.nn.vit import MaskedViT
from medmae.weights.adapt import Adaptation
from medmae.weights.io import import_state
from medmae.weights.maps.base import KeyMap
from medmae.weights.read import State, load_state
from medmae.weights.report import ImportReport
from medmae.weights.unseen import Unseen, read_unseen, refuse_others

_PREFIX = "encoder."


class Encoders(nn.ModuleDict):
    """Masked ViTs side by side, so that one file fills all of them or none."""


def load_encoder(
    encoder: nn.Module,
    path: str | Path,
    *,
    key_map: KeyMap | None = None,
    sha256: str | None = None,
    adapt: Collection[Adaptation] = (),
    file_grid: Sequence[int] | None = None,
) -> ImportReport:
    """Loads the encoder in a file, and nothing else of it, into every masked ViT of a module; into all or none.

    The last norm is left out where the module has none: a classifier on the mean of patch tokens drops it.

    Args:
        encoder: A :class:`MaskedViT`, or a method: the encoder of MT-UNet and its judge get the same weights.
        path: A method (``pretraining.safetensors``), a network (``model.safetensors``) or an encoder alone; or a
            published file.
        key_map: How the keys of a published file are called here, e.g. ``EDGE_MAE`` for ``EdgeMAE.pth`` and ``E.pth``.
        sha256: See :func:`medmae.weights.read.load_state`.
        adapt: See :func:`medmae.weights.adapt.adapt_state`; ``["channels"]`` for an encoder that sees neighbours.
        file_grid: See :func:`medmae.weights.io.import_state`.

    Returns:
        What happened to each key of each encoder; ``dead`` are keys of the file that belong to no encoder.

    Raises:
        DataError: If the file is missing, damaged, does not fill every encoder, or says that its encoder has other
            heads or epsilons; the module is unchanged.
        ValueError: If the module has no masked ViT.
    """
    parts = {name: part for name, part in encoder.named_modules() if isinstance(part, MaskedViT)}
    if not parts:
        raise ValueError(f"{type(encoder).__name__} has no masked ViT that weights could be loaded into")
    state, others = _encoder_of(load_state(path, sha256=sha256), key_map=key_map)
    said = {} if key_map else _said_of_encoder(path)
    for part in parts.values():
        refuse_others(part, said, path=path)
    targets = Encoders({name.replace(".", "/") or "encoder": part for name, part in parts.items()})
    everything = {(name, key): value for name in targets for key, value in state.items()}
    dropped = {(name, key) for name, key in everything if key.startswith("norm.") and _has_no_norm(targets[name])}
    wanted = {f"{name}.{key}": value for (name, key), value in everything.items() if (name, key) not in dropped}
    try:
        report = import_state(targets, wanted, adapt=adapt, file_grid=file_grid)
    except ValueError as error:
        remedy = "build the encoder with the sizes it was pre-trained with, or name the key_map of its source"
        raise DataError(str(error), path=path, remedy=remedy) from error
    report.dead.extend([*others, *(f"{name}.{key}" for name, key in sorted(dropped))])
    return report


def _said_of_encoder(path: str | Path) -> Unseen:
    """What the file says of its encoder, by the encoder's own names."""
    said = read_unseen(path)
    if not any(part.startswith(_PREFIX) for parts in said.values() for part in parts):  # a file of the encoder alone
        return said
    return {
        name: {part.removeprefix(_PREFIX): value for part, value in parts.items() if part.startswith(_PREFIX)}
        for name, parts in said.items()
    }


def _has_no_norm(encoder: nn.Module) -> bool:
    return isinstance(encoder.norm, nn.Identity)


def _encoder_of(state: State, *, key_map: KeyMap | None) -> tuple[State, list[str]]:
    """The encoder's own keys, and what else the file holds."""
    state, others = key_map.apply(state) if key_map else (state, [])
    encoder = {key.removeprefix(_PREFIX): value for key, value in state.items() if key.startswith(_PREFIX)}
    if not encoder:  # a file of the encoder alone
        return state, others
    return encoder, [*others, *(key for key in state if not key.startswith(_PREFIX))]
