"""The way in from Python: what ``import medmae`` gives, from a method's name to an encoder that was judged.

>>> run = medmae.pretrain("mae", "images/", out="runs/mae", config="train,demo")
>>> encoder = medmae.load_encoder(run.weights)
>>> medmae.embed(encoder, "images/").features.shape
(40, 192)
"""

import importlib
from typing import TYPE_CHECKING, Any

from medmae.api.door import door

if TYPE_CHECKING:
    from medmae.api.embedding import Embedded, embed
    from medmae.api.encoders import load_encoder
    from medmae.api.evaluation import evaluate
    from medmae.api.pretraining import Run, pretrain
    from medmae.methods.registry import create, methods

__all__ = ["Embedded", "Run", "create", "embed", "evaluate", "load_encoder", "methods", "pretrain"]

_HOMES = {  # name -> module
    "Embedded": "api.embedding",
    "Run": "api.pretraining",
    "create": "methods.registry",
    "embed": "api.embedding",
    "evaluate": "api.evaluation",
    "load_encoder": "api.encoders",
    "methods": "methods.registry",
    "pretrain": "api.pretraining",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - imported when asked for: who lists methods does not train
    if name in _HOMES:
        found = getattr(importlib.import_module(f"medmae.{_HOMES[name]}"), name)
        return found if isinstance(found, type) else door(found)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
