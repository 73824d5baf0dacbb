"""Optimisers, schedules, checkpoints: everything around a method that makes it learn."""

from medmae.training.fit import fit
from medmae.training.module import MaskedModule
from medmae.training.optim import OptimizerSpec
from medmae.training.schedule import WarmupCosine, WarmupStep

__all__ = ["MaskedModule", "OptimizerSpec", "WarmupCosine", "WarmupStep", "fit"]
