"""Everything that contracts are kept by: registered methods, and throw-away stubs of systems still to come."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import replace

import torch
from torch import Tensor

import tests.contracts.stubs
from medmae.masking.base import Mask, Masks
from medmae.methods.base import Batch, MaskedMethod, Method
from medmae.methods.registry import create, methods
from medmae.methods.shown import Shown

SPECS = methods()
STUBS = {
    module.name: importlib.import_module(f"tests.contracts.stubs.{module.name}")
    for module in pkgutil.iter_modules(tests.contracts.stubs.__path__)
}
BUILD: dict[str, Callable[[], Method]] = {
    **{name: lambda name=name: create(name, preset="tiny") for name in SPECS},
    **{name: stub.build for name, stub in STUBS.items()},
}


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def built(name: str, *, seed: int = 0) -> Method:
    torch.manual_seed(seed)
    return BUILD[name]()


def unordered(masks: Masks) -> Masks:
    """What is shown and what is hidden, without the order that a method may draw."""
    return {
        name: Mask(m.visible, m.masked, m.num_tokens, m.skipped, m.replaced, m.real, m.weight)
        for name, m in masks.items()
    }


def turned(mask: Mask) -> Mask:
    """The same with its masked tokens in reverse order."""
    weight = None if mask.weight is None else mask.weight.flip(1)
    return replace(mask, masked=mask.masked.flip(1), weight=weight)


def with_other(batch: Batch, shown: Mapping[str, Shown], *, hidden: bool) -> dict[str, Tensor]:
    """The batch with other values of its own kinds where they were hidden, or where they were not."""
    generator, changed = seeded(9), dict(batch)
    for name, one in shown.items():
        if one.beside is None:
            data = batch[name]
            where = (one.hidden if hidden else ~one.hidden).expand_as(one.given).reshape(data.shape)
            noise = torch.rand(data.shape, generator=generator)
            if not data.is_floating_point():  # numbers of words
                noise = (noise * (data.max() + 1)).to(data.dtype)
            changed[name] = torch.where(where, noise, data)
    return changed


_ALL = {name: built(name) for name in BUILD}
MASKED = [name for name, method in _ALL.items() if isinstance(method, MaskedMethod)]
SUPERVISED = [name for name, method in _ALL.items() if "target" in method.needs]
CONTRASTIVE = [name for name, method in _ALL.items() if "negatives" in method.needs]
DISTILLED = [name for name, method in _ALL.items() if method.teachers]
