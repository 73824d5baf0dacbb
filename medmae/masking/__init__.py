"""How many and which tokens stay visible."""

from medmae.masking.base import Mask, visible_count
from medmae.masking.budget import BudgetMasking
from medmae.masking.random import RandomMasking

__all__ = ["BudgetMasking", "Mask", "RandomMasking", "visible_count"]
