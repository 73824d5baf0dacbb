"""The vocabulary that weights keep, for whatever reads sentences with them."""

from __future__ import annotations

from pathlib import Path

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
        said = read_networks(path).get("", {}) if path.is_file() else {}
        words: list[str] = plain(said.get("vocabulary")) or []
        return super().__new__(cls, words)
