"""Sentences to numbers of words: WordPiece over a vocabulary at hand, BERT's or one learnt from captions.

Splitting and normalising are those of Hugging Face's ``tokenizers``; nothing is fetched.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from medmae.errors import DataError
from medmae.files import write_text
from medmae.kinds import Kind
from medmae.reading import read_text
from medmae.tokens.pieces import learn_pieces

if TYPE_CHECKING:
    from tokenizers import Tokenizer

PAD, UNKNOWN, CLS, SEP, MASK = "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"
SPECIAL = (PAD, UNKNOWN, CLS, SEP, MASK)
_BERT = {"vocab_size": 30522, "pad_word": 0, "mask_word": 103}
WORDS = Kind.of("words", ["word"], channels=["number"], peak=None)  # what a batch has of a sentence, by its name


@dataclass(frozen=True)
class Encoded:
    """Sentences as numbers.

    Attributes:
        words: ``(B, L)`` int64: ``[CLS]``, words, ``[SEP]``, padded behind to the longest of them.
        cut: How many sentences were longer than allowed and lost their end.
        unknown: How many words of all of them the vocabulary does not have.
    """

    words: Tensor
    cut: int
    unknown: int


@dataclass(frozen=True)
class Vocabulary:
    """Words by their numbers, without case; ``##`` begins what continues a word.

    Attributes:
        words: In the order of their numbers, the five of :data:`SPECIAL` among them, wherever they are.

    Raises:
        DataError: If a special word is missing, or a word is there twice.
    """

    words: tuple[str, ...]

    def __post_init__(self) -> None:
        missing = [word for word in SPECIAL if word not in self.words]
        if missing or len(set(self.words)) != len(self.words):
            twice = next((word for word in self.words if self.words.count(word) > 1), None) if not missing else None
            raise DataError(
                f"the vocabulary lacks {', '.join(missing)}" if missing else "a word is in the vocabulary twice",
                field="vocabulary",
                value=twice,
                remedy="take the vocab.txt of the weights, or learn one: Vocabulary.learn(captions)",
            )

    @classmethod
    def read(cls, path: str | Path) -> Vocabulary:
        """A ``vocab.txt``, a word a line, as BERT has it.

        Raises:
            DataError: If it cannot be read as such.
        """
        lines = read_text(path, what="the vocabulary", remedy="a vocab.txt has a word a line, in UTF-8").split("\n")
        try:
            return cls(tuple(line.rstrip("\r") for line in lines[: len(lines) - (lines[-1] == "")]))
        except DataError as error:
            raise DataError(str(error), path=path) from error

    @classmethod
    def learn(cls, sentences: Iterable[str], *, size: int = 8000) -> Vocabulary:
        """From captions at hand: the same captions give the same words and numbers.

        Args:
            sentences: All of them of the training split.
            size: Words at most, the special ones included.

        Raises:
            DataError: If there is no word in them.
        """
        tokenizer = _tokenizer({word: number for number, word in enumerate(SPECIAL)})
        words = Counter[str]()
        for sentence in sentences:
            plain = tokenizer.normalizer.normalize_str(sentence)
            words.update(word for word, _ in tokenizer.pre_tokenizer.pre_tokenize_str(plain))
        if not words:
            raise DataError("no word in the captions to learn a vocabulary from", field="captions")
        return cls((*SPECIAL, *learn_pieces(words, size=size - len(SPECIAL))))

    @classmethod
    def of(cls, words: Vocabulary | Sequence[str] | str | Path) -> Vocabulary:
        """A vocabulary as it is, read from its file, or of words in the order of their numbers."""
        if isinstance(words, Vocabulary):
            return words
        return cls.read(words) if isinstance(words, str | Path) else cls(tuple(words))

    def write(self, path: str | Path) -> None:
        """As :meth:`read` reads it."""
        write_text(Path(path), "".join(f"{word}\n" for word in self.words))

    @property
    def sha256(self) -> str:
        """Of words and their order: weights of one vocabulary mean nothing with another."""
        return hashlib.sha256("\n".join(self.words).encode()).hexdigest()

    def __len__(self) -> int:
        return len(self.words)

    def number(self, word: str) -> int:
        """Of a word that is in it, such as :data:`MASK`."""
        return self._numbers[word]

    def encode(self, sentences: Sequence[str], *, max_words: int = 32) -> Encoded:
        """Sentences to numbers.

        Args:
            sentences: B of them.
            max_words: The longest that is kept, ends included; what is longer loses its end, and is counted.

        Raises:
            ValueError: If not even the ends would fit.
        """
        if max_words < 3:
            raise ValueError(f"max_words={max_words} leaves no word between [CLS] and [SEP]: 3 or more")
        parts = [each.ids for each in self._tokenizer.encode_batch(list(sentences), add_special_tokens=False)]
        room = max_words - 2
        rows = [[self.number(CLS), *ids[:room], self.number(SEP)] for ids in parts]
        words = torch.full((len(rows), max(map(len, rows), default=2)), self.number(PAD), dtype=torch.int64)
        for row, ids in enumerate(rows):
            words[row, : len(ids)] = torch.tensor(ids)
        unknown = sum(ids.count(self.number(UNKNOWN)) for ids in parts)
        return Encoded(words, cut=sum(len(ids) > room for ids in parts), unknown=unknown)

    def decode(self, words: Tensor) -> list[str]:
        """Sentences of ``(B, L)``, for the eye: pieces joined, padding and ends left out, ``[MASK]`` kept."""
        left_out = {self.number(word) for word in (PAD, CLS, SEP)}
        return [" ".join(self.words[n] for n in row if n not in left_out).replace(" ##", "") for row in words.tolist()]

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {word: number for number, word in enumerate(self.words)}

    @cached_property
    def _tokenizer(self) -> Tokenizer:
        return _tokenizer(self._numbers)


@dataclass(frozen=True)
class WordNumbers:
    """What a network must know of a vocabulary.

    Attributes:
        vocabulary: If its words are known.
        size: How many there are.
        pad: Number of :data:`PAD`.
        mask: Number of :data:`MASK`.
    """

    vocabulary: Vocabulary | None
    size: int
    pad: int
    mask: int

    @classmethod
    def of(
        cls, words: Sequence[str] | None, *, size: int | None = None, pad: int | None = None, mask: int | None = None
    ) -> WordNumbers:
        """Those of a vocabulary; without one, or of an empty one, what is said, and what is not is as in BERT's.

        Raises:
            DataError: If the words are no vocabulary.
            ValueError: If what is said is not so in the vocabulary.
        """
        said = {"vocab_size": size, "pad_word": pad, "mask_word": mask}
        if not words:
            known = {name: _BERT[name] if value is None else value for name, value in said.items()}
            return cls(None, *known.values())
        vocabulary = Vocabulary.of(words)
        known = dict(zip(said, (len(vocabulary), vocabulary.number(PAD), vocabulary.number(MASK)), strict=True))
        if wrong := {name: value for name, value in said.items() if value not in (None, known[name])}:
            raise ValueError(f"the vocabulary has {known}, and {wrong} is wanted: leave these numbers out")
        return cls(vocabulary, *known.values())

    @property
    def sha256(self) -> str | None:
        """Of the vocabulary, if it is known."""
        return None if self.vocabulary is None else self.vocabulary.sha256


def _tokenizer(numbers: dict[str, int]) -> Tokenizer:
    library = _tokenizers()
    tokenizer: Tokenizer = library.Tokenizer(
        library.models.WordPiece(numbers, unk_token=UNKNOWN, max_input_chars_per_word=100)
    )
    tokenizer.normalizer = library.normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = library.pre_tokenizers.BertPreTokenizer()
    return tokenizer


def _tokenizers() -> ModuleType:
    """The library, on first use.

    Raises:
        ModuleNotFoundError: With how to install it.
    """
    try:
        import tokenizers
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "words need the package tokenizers: pip install tokenizers", name="tokenizers"
        ) from error
    return tokenizers
