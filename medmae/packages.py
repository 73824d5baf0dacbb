"""Packages that are functions of ``import medmae``, too."""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import Any


class CallablePackage(ModuleType):
    """A package that, when it is called, does what ``medmae.api`` has under its name.

    ``medmae.methods()`` and ``medmae.evaluate(...)`` are named as the packages ``medmae.methods`` and
    ``medmae.evaluate`` are; as soon as one of these is imported, its name in ``medmae`` is the package's.
    """

    def __call__(self, *args: Any, **options: Any) -> Any:  # noqa: ANN401 (whatever the function takes and gives)
        """See the function in ``medmae.api``."""
        return getattr(importlib.import_module("medmae.api"), self.__name__.rpartition(".")[2])(*args, **options)
