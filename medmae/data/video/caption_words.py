"""The words of the captions and questions at hand, for networks that have no vocabulary yet."""

from __future__ import annotations

from pathlib import Path

from medmae.data.manifest import Manifest
from medmae.data.source import Source
from medmae.data.video.captioned import captions_of
from medmae.data.video.questions import questions_of
from medmae.errors import DataError
from medmae.tokens.text import Vocabulary


class CaptionWords(tuple[str, ...]):
    """Words in the order of their numbers: of a file, or learnt from captions; plain texts, which weights keep.

    They are learnt from one split alone, of its questions and answers, too, and the same texts give the same words.
    """

    def __new__(
        cls,
        *,
        source: Source | str | Path,
        vocabulary: str | Path | None = None,
        size: int = 2000,
        split: str = "train",
    ) -> CaptionWords:
        """Reads or learns them.

        Args:
            source: Prepared videos with captions, or questions.
            vocabulary: A ``vocab.txt``, such as BERT's, in the place of learning.
            size: Words at most.
            split: Whose captions to learn from.

        Raises:
            DataError: If the file is no vocabulary, or there is no word to learn from.
        """
        if vocabulary is not None:
            return super().__new__(cls, Vocabulary.read(vocabulary).words)
        manifest = Manifest.of(source).require("video")
        rows = manifest.select(split=split)
        captions = [caption for row in rows for caption in captions_of(row)]
        captions += [text for row in rows for question in questions_of(row) for text in question.texts]
        if not captions:
            raise DataError(
                "no video of this split has a caption to learn words from",
                path=manifest.path,
                field="captions",
                value=split,
                remedy="give medmae prep video a table with a column caption, or JSON {path: caption}",
            )
        return super().__new__(cls, Vocabulary.learn(captions, size=size).words)
