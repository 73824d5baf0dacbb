"""Optimisers, schedules, checkpoints: everything around a method that makes it learn."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from medmae.training.checkpoints import Checkpoints
    from medmae.training.fitting import fit
    from medmae.training.loader import ResumableLoader
    from medmae.training.module import MaskedModule
    from medmae.training.optim import OptimizerSpec
    from medmae.training.schedule import EveryEpochs, WarmupCosine, WarmupStep, WarmupTimesCosine
    from medmae.training.tuning import TunedModule

__all__ = [
    "Checkpoints",
    "EveryEpochs",
    "MaskedModule",
    "OptimizerSpec",
    "ResumableLoader",
    "TunedModule",
    "WarmupCosine",
    "WarmupStep",
    "WarmupTimesCosine",
    "fit",
]

_HOMES = {  # name -> module
    "Checkpoints": "checkpoints",
    "EveryEpochs": "schedule",
    "MaskedModule": "module",
    "OptimizerSpec": "optim",
    "ResumableLoader": "loader",
    "TunedModule": "tuning",
    "WarmupCosine": "schedule",
    "WarmupStep": "schedule",
    "WarmupTimesCosine": "schedule",
    "fit": "fitting",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - imported when asked for: a worker that reads trains nothing
    if name in _HOMES:
        return getattr(importlib.import_module(f"medmae.training.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
