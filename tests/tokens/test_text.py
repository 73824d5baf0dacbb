"""Vocabularies: BERT's form, learnt ones, and sentences to numbers and back."""

from __future__ import annotations

import builtins

import pytest
import torch

from medmae.errors import DataError
from medmae.tokens.text import CLS, MASK, PAD, SEP, SPECIAL, UNKNOWN, Vocabulary

CAPTIONS = [
    "B-lines in the left lung, 3.5 cm deep.",
    "No B-lines; pleura regular.",
    "Consolidation of the right lung with effusion.",
]


@pytest.fixture(scope="module")
def vocabulary():
    return Vocabulary.learn(CAPTIONS * 3, size=200)


@pytest.fixture
def bert():
    """With numbers of special words as in bert-base-uncased: [PAD] first, the others from 100."""
    words = ["[PAD]", *(f"[unused{n}]" for n in range(99)), "[UNK]", "[CLS]", "[SEP]", "[MASK]", "lung", "##s", "the"]
    return Vocabulary(tuple(words))


def test_sentences_stand_between_their_ends_and_are_padded_behind(vocabulary):
    found = vocabulary.encode(CAPTIONS, max_words=64)
    lengths = (found.words != vocabulary.number(PAD)).sum(dim=1)
    assert found.words.dtype == torch.int64
    assert found.words.shape == (3, int(lengths.max()))
    for row, length in zip(found.words, lengths, strict=True):
        assert row[0] == vocabulary.number(CLS)
        assert row[length - 1] == vocabulary.number(SEP)
    assert (found.cut, found.unknown) == (0, 0)


def test_what_was_encoded_is_read_again_without_case(vocabulary):
    words = vocabulary.encode(["No B-lines in the LEFT lung"], max_words=64).words
    assert vocabulary.decode(words) == ["no b - lines in the left lung"]


def test_long_sentences_lose_their_end_and_are_counted(vocabulary):
    found = vocabulary.encode(["lung " * 50, "lung lung"], max_words=8)
    assert found.words.shape == (2, 8)
    assert found.words[0, -1] == vocabulary.number(SEP)
    assert found.cut == 1
    with pytest.raises(ValueError, match="leaves no word"):
        vocabulary.encode(["lung"], max_words=2)


def test_numbers_of_special_words_go_by_name(bert):
    assert [bert.number(word) for word in (PAD, UNKNOWN, CLS, SEP, MASK)] == [0, 100, 101, 102, 103]
    found = bert.encode(["The lungs hum"], max_words=32)
    assert found.words.tolist() == [[101, 106, 104, 105, 100, 102]]
    assert found.unknown == 1
    assert bert.decode(found.words) == ["the lungs [UNK]"]


def test_a_word_that_is_called_like_a_special_one_is_none(bert):
    assert 103 not in bert.encode(["[MASK] the"], max_words=32).words[0]


def test_a_file_keeps_words_and_numbers(vocabulary, tmp_path):
    vocabulary.write(tmp_path / "vocab.txt")
    twin = Vocabulary.read(tmp_path / "vocab.txt")
    assert twin == vocabulary
    assert twin.sha256 == vocabulary.sha256
    assert Vocabulary(tuple(reversed(vocabulary.words))).sha256 != vocabulary.sha256
    (tmp_path / "dos.txt").write_bytes("\r\n".join(vocabulary.words).encode())
    assert Vocabulary.read(tmp_path / "dos.txt") == vocabulary


def test_a_learnt_vocabulary_has_the_special_words_and_no_more_than_asked(vocabulary):
    assert set(SPECIAL) <= set(vocabulary.words)
    assert len(Vocabulary.learn(CAPTIONS * 3, size=60)) <= 60


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("lung",), r"lacks \[PAD\], \[UNK\], \[CLS\], \[SEP\], \[MASK\]"),
        ((*SPECIAL, "lung", "lung"), "twice"),
    ],
)
def test_what_is_no_vocabulary_is_refused(words, message, tmp_path):
    with pytest.raises(DataError, match=message):
        Vocabulary(words)
    (tmp_path / "vocab.txt").write_text("\n".join(words))
    with pytest.raises(DataError, match=f"vocab.txt.*{message}"):
        Vocabulary.read(tmp_path / "vocab.txt")


def test_bytes_and_captions_without_words_are_refused(tmp_path):
    (tmp_path / "vocab.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="UTF-8"):
        Vocabulary.read(tmp_path / "vocab.txt")
    with pytest.raises(DataError, match="no word in the captions"):
        Vocabulary.learn(["", "  "])


def test_without_the_library_it_is_told_what_to_install(bert, monkeypatch):
    real = builtins.__import__

    def without(name, *args, **options):
        if name == "tokenizers":
            raise ModuleNotFoundError("No module named 'tokenizers'", name="tokenizers")
        return real(name, *args, **options)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ModuleNotFoundError, match="pip install tokenizers"):
        bert.encode(["the lung"])
