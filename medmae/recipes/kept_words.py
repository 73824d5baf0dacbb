"""The vocabulary that weights keep, for whatever reads sentences with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from medmae.data.source import Source
from medmae.data.video.caption_words import CaptionWords
from medmae.errors import DataError
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


class TaskWords(tuple[str, ...]):
    """Words for what begins with a pre-training: those of its weights, and without one as captions have them."""

    def __new__(
        cls,
        *,
        pretrained: str | Path | None,
        source: Source | str | Path,
        vocabulary: str | Path | None = None,
        size: int = 2000,
    ) -> TaskWords:
        """Reads or learns them.

        Args:
            pretrained: A weight file; None: there is none.
            source: Prepared videos with captions, from which words are learnt where there are no weights.
            vocabulary: A ``vocab.txt`` in the place of learning.
            size: Words at most that are learnt.

        Raises:
            DataError: If the weights do not say their words and nobody else does, or ``vocabulary`` has others.
        """
        if pretrained is None:
            return super().__new__(cls, CaptionWords(source=source, vocabulary=vocabulary, size=size))
        kept = tuple(KeptWords(model_dir=Path(pretrained).parent, file=Path(pretrained).name))
        given = None if vocabulary is None else tuple(CaptionWords(source=source, vocabulary=vocabulary))
        if not (kept or given):
            raise DataError(
                "these weights do not say which words they know",
                path=pretrained,
                field="vocabulary",
                remedy="name the vocab.txt that they were trained with: --vocabulary vocab.txt",
            )
        if kept and given and kept != given:
            raise DataError(
                "these weights were trained with other words",
                path=pretrained,
                field="vocabulary",
                value=str(vocabulary),
                remedy="leave --vocabulary out: weights know their words",
            )
        return super().__new__(cls, kept or given or ())


def _words_in(config: Mapping[str, Any]) -> Sequence[str]:
    """Of the first network with a vocabulary, however deep it lies."""
    for name, value in config.items():
        found = value if name == "vocabulary" else _words_in(value) if isinstance(value, Mapping) else ()
        if found:
            return found
    return ()
