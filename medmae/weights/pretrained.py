"""The encoder of a pre-training, taken over by what is fine-tuned on it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from torch import nn

from medmae.errors import DataError
from medmae.kinds import Scale
from medmae.nn.ema import EMATeacher
from medmae.nn.encoder import Encoder
from medmae.nn.scaling import InputScale
from medmae.nn.teacher import FrozenTeacher
from medmae.weights.adapt import Adaptation
from medmae.weights.io import import_state
from medmae.weights.maps.base import KeyMap
from medmae.weights.read import State, load_state
from medmae.weights.report import ImportReport
from medmae.weights.scales import published, read_scales, settle
from medmae.weights.sources import key_map_of
from medmae.weights.unseen import Unseen, published_unseen, read_unseen, refuse_others

T = TypeVar("T")
_SIZES = "build the encoder with the sizes it was pre-trained with, or name the key_map of its source"
_DISTILLED = "dist_token"
_UNDISTILLED = (
    "this encoder has no place for the second token of a distillation: take the weights of the same model that were "
    "trained without it (in timm deit_base_patch16_224 beside deit_base_distilled_patch16_224)"
)


class Encoders(nn.ModuleDict):
    """Encoders side by side, so that one file fills all of them or none."""


def load_encoder(
    encoder: nn.Module,
    path: str | Path,
    *,
    part: str = "encoder",
    into: Collection[str] | None = None,
    key_map: KeyMap | str | None = None,
    sha256: str | None = None,
    adapt: Adaptation | Collection[Adaptation] = (),
    file_grid: Sequence[int] | None = None,
) -> ImportReport:
    """Loads the encoder in a file, and nothing else of it, into the encoder of a module, or into those named.

    A momentum teacher that follows it gets the same weights: a training starts with two equal networks. The last norm
    is left out where the module has none: a classifier on the mean of patch tokens drops it. The scale that the encoder
    expects of data is that of the file, too; see :func:`medmae.weights.scales.settle`.

    Args:
        encoder: An encoder, or what has one: a method, a classifier.
        part: Name of the encoder in the file, if the file holds more than it.
        into: Names of several encoders that get the same weights, all or none: ``["encoder", "feature_extractor"]`` of
            MT-UNet.
        path: A method (``pretraining.safetensors``), a network (``model.safetensors``) or an encoder alone; or a
            published file.
        key_map: How the keys of a published file are called here, or the name of that layout: ``timm``; ``edge_mae``
            for ``EdgeMAE.pth`` and ``E.pth``; see :func:`medmae.weights.sources.sources`.
        sha256: See :func:`medmae.weights.read.load_state`.
        adapt: See :func:`medmae.weights.adapt.adapt_state`; ``["channels"]`` for an encoder that sees neighbours.
        file_grid: See :func:`medmae.weights.io.import_state`.

    Returns:
        What happened to each key of each encoder; ``dead`` are keys of the file that belong to no encoder.

    Raises:
        DataError: If the file is missing, damaged, does not fill every encoder, or says that its encoder has other
            heads, epsilons or another scale; the module is unchanged.
        ValueError: If the module has no encoder of these names, or several and none is named.
    """
    key_map = key_map_of(key_map)
    parts = _chosen(encoder, into=into)
    state, others = _encoder_of(load_state(path, sha256=sha256), part, key_map=key_map)
    said = {} if key_map else said_of(path, part)
    scales: dict[InputScale, Scale] = {}
    for one in parts.values():
        refuse_others(one, published_unseen(one, path, eps=key_map.eps) if key_map else said, path=path)
        known = published(one, key_map.scale) if key_map else own_of(read_scales(path), part)
        scales |= settle(one, known, path=path)
    targets = Encoders({name.replace(".", "/") or "encoder": one for name, one in parts.items()})
    everything = {(name, key): value for name in targets for key, value in state.items()}
    dropped = {(name, key) for name, key in everything if key.startswith("norm.") and _has_no_norm(targets[name])}
    wanted = {f"{name}.{key}": value for (name, key), value in everything.items() if (name, key) not in dropped}
    try:
        report = import_state(targets, wanted, adapt=adapt, file_grid=file_grid)
    except ValueError as error:
        distilled = any(key.endswith(_DISTILLED) for key in state)
        raise DataError(str(error), path=path, remedy=_UNDISTILLED if distilled else _SIZES) from error
    for entrance, scale in scales.items():
        entrance.take(scale)
    report.dead.extend([*others, *(f"{name}.{key}" for name, key in sorted(dropped))])
    return report


def _chosen(module: nn.Module, *, into: Collection[str] | None) -> dict[str, nn.Module]:
    """The encoders to fill, by name: those named, or the only one and the teachers that follow it."""
    parts = dict(module.named_modules())
    found = {name: part for name, part in parts.items() if isinstance(part, Encoder)}
    if not found:
        raise ValueError(f"{type(module).__name__} has no encoder that weights could be loaded into")
    if into is None and "" in found:  # itself one, of several networks or of one
        return {"": module}
    if into is not None:
        if unknown := sorted(set(into) - found.keys()):
            raise ValueError(f"{type(module).__name__} has no encoder {unknown[0]!r}, but {', '.join(found)}")
        return {name: parts[name] for name in found if name in into}
    if "" in found:  # the module is an encoder itself; what lies in it are parts of it
        return {"": module}
    frozen = _below(name for name, part in parts.items() if isinstance(part, FrozenTeacher))
    inner = _below(found)  # parts of an encoder of several networks
    outer = [name for name in found if not name.startswith((*frozen, *inner))]
    teachers = _below(name for name, part in parts.items() if isinstance(part, EMATeacher))
    leaders = [name for name in outer if not name.startswith(teachers)]
    if len(leaders) > 1:
        raise ValueError(
            f"{type(module).__name__} has several encoders, {', '.join(leaders)}: name those that the weights are for, "
            f"into=[{leaders[0]!r}]"
        )
    return {name: parts[name] for name in outer}


def _below(names: Iterable[str]) -> tuple[str, ...]:
    """How the names of what lies below these begin; nothing begins so below the module itself, which has no name."""
    return tuple(f"{name}." for name in names if name)


def own_of(names: Mapping[str, T], part: str) -> dict[str, T]:
    """Of things by name in a file those of one part, by the part's own names; all of them in a file of it alone."""
    own = {name.removeprefix(part).removeprefix("."): thing for name, thing in names.items() if _is_of(name, part)}
    return own or dict(names)


def _is_of(name: str, part: str) -> bool:
    return name == part or name.startswith(f"{part}.")


def said_of(path: str | Path, part: str) -> Unseen:
    """What the file says of an encoder, by the encoder's own names."""
    said = read_unseen(path)
    if not any(_is_of(name, part) for parts in said.values() for name in parts):  # a file of the encoder alone
        return said
    return {
        kind: {name.removeprefix(f"{part}."): value for name, value in parts.items() if _is_of(name, part)}
        for kind, parts in said.items()
    }


def _has_no_norm(encoder: nn.Module) -> bool:
    return isinstance(getattr(encoder, "norm", None), nn.Identity)


def _encoder_of(state: State, part: str, *, key_map: KeyMap | None) -> tuple[State, list[str]]:
    """The encoder's own keys, and what else the file holds."""
    state, others = key_map.apply(state) if key_map else (state, [])
    if not any(_is_of(key, part) for key in state):  # a file of the encoder alone
        return state, others
    return own_of(state, part), [*others, *(key for key in state if not _is_of(key, part))]
