"""A network as it was before it learnt anything: what every pre-trained one is compared with."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from typing import TypeVar

import torch
from torch import nn

from medmae.nn.init import initialise_linears
from medmae.nn.seeding import drawn_by

M = TypeVar("M", bound=nn.Module)


def fresh_copy(module: M, *, seed: int, others: Callable[[M], Iterable[nn.Parameter]]) -> M:
    """A copy of the same size with weights drawn anew, as its constructor draws them.

    Modules that know how (``reset_parameters``) draw theirs, and linear layers as the MAE family does.

    Args:
        module: Left as it is.
        seed: Of the weights; torch's own generators are left as they are.
        others: Draws what no module resets, tokens and tables, and gives those parameters.

    Raises:
        ValueError: If the module has parameters that nothing here draws.
    """
    place = next(module.parameters()).device
    fresh = copy.deepcopy(module).cpu()  # where draws are the same for all devices
    with drawn_by(seed), torch.no_grad():
        drawn = set()
        for part in fresh.modules():
            if callable(reset := getattr(part, "reset_parameters", None)):
                reset()
                drawn |= {id(parameter) for parameter in part.parameters(recurse=False)}
        initialise_linears(fresh)
        drawn |= {id(parameter) for parameter in others(fresh)}
    left = [name for name, parameter in fresh.named_parameters() if id(parameter) not in drawn]
    if left:
        raise ValueError(f"no rule draws {', '.join(left[:5])} anew; build the encoder a second time instead")
    return fresh.to(place)
