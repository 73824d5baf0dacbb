"""The vocabulary that weights keep, for whatever reads sentences with them."""

from __future__ import annotations

from pathlib import Path

from medmae.nn.arguments import plain
from medmae.recipes.training import Training
from medmae.weights.networks import read_networks


class KeptWords(tuple[str, ...]):
    """Words in the order of their numbers, from the header of weights; none of weights that say none or are not there.

    Args:
        model_dir: Folder of the weights.
        file: Their name.
    """

    def __new__(cls, *, model_dir: str | Path, file: str = Training.weights) -> KeptWords:
        """See the class; a tuple is made here."""
        path = Path(model_dir) / file
        said = read_networks(path).get("", {}) if path.is_file() else {}
        words: list[str] = plain(said.get("vocabulary")) or []
        return super().__new__(cls, words)
