"""The vocabulary that weights keep, for whatever reads sentences with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from medmae.nn.arguments import plain
from medmae.recipes.training import Training
from medmae.weights.networks import read_networks


class KeptWords(tuple[str, ...]):
    """Words in the order of their numbers, from the header of weights; none where it has none, or no file is there."""

    def __new__(cls, *, model_dir: str | Path, file: str = Training.weights) -> KeptWords:
        """Reads them.

        Args:
            model_dir: Folder of the weights.
            file: Their name.
        """
        path = Path(model_dir) / file
        return super().__new__(cls, _words_in(plain(read_networks(path))) if path.is_file() else ())


def _words_in(config: Mapping[str, Any]) -> Sequence[str]:
    """Of the first network with a vocabulary, however deep it lies."""
    for name, value in config.items():
        found = value if name == "vocabulary" else _words_in(value) if isinstance(value, Mapping) else ()
        if found:
            return found
    return ()
