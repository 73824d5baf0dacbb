"""Optimisers, schedules, checkpoints: everything around a method that makes it learn."""

from medmae.training.checkpoints import Checkpoints
from medmae.training.fit import fit
from medmae.training.loader import ResumableLoader
from medmae.training.module import MaskedModule
from medmae.training.optim import OptimizerSpec
from medmae.training.schedule import WarmupCosine, WarmupStep

__all__ = ["Checkpoints", "MaskedModule", "OptimizerSpec", "ResumableLoader", "WarmupCosine", "WarmupStep", "fit"]
