"""A few samples to look at: film strips, and their words as given, hidden and guessed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from medmae.data.views import About
from medmae.evaluate.reconstruct.panels import write_panels
from medmae.methods.shown import Shown
from medmae.report.draw import draw, facts
from medmae.tokens.text import CLS, PAD, SEP, WORDS, Vocabulary

FOLDER = "word_strips"


class WordStrips:
    """Collects samples; those that are wanted in their order.

    Args:
        vocabulary: By which words are read.
        wanted: Numbers of the samples.
    """

    def __init__(self, vocabulary: Vocabulary, *, wanted: Sequence[int]) -> None:
        self._vocabulary, self._wanted = vocabulary, list(wanted)
        self._found: dict[int, tuple[dict[str, Any], dict[str, np.ndarray]]] = {}

    def add(self, number: int, *, about: About, shown: Mapping[str, Shown], place: int) -> None:
        """Keeps a sample of a batch, if it is wanted.

        Args:
            number: Its own.
            about: Whose it is.
            shown: What the method was shown and made, by kind.
            place: Of the sample in the batch.
        """
        if number not in self._wanted:
            return
        told: dict[str, Any] = {"case": about.case, "subject": about.subject, "said": {}}
        pictures: dict[str, np.ndarray] = {}
        for name, one in shown.items():
            if name == WORDS.name:
                told["words"] = self._words(one, place)
            elif one.beside is None:
                told |= facts(one.kind, one.given[place])
                pictures |= _pictures(one, place)
            else:  # what is left of a clip on its way
                pictures[name] = _visible(one, place)
                told["said"] |= {name: one.said[place]} if one.said else {}
        self._found[number] = (told, pictures)

    def write(self, out: Path) -> None:
        """Writes ``word_strips/panels.json`` and ``panels.npz``."""
        rows = [self._found[number] for number in self._wanted if number in self._found]
        write_panels(out / FOLDER, rows)

    def _words(self, one: Shown, place: int) -> list[dict[str, str]]:
        """Each word as it was ``given``; of a hidden one also the ``guess``."""
        assert one.made is not None
        ends = {self._vocabulary.number(word) for word in (PAD, CLS, SEP)}
        rows = (_row(each, place) for each in (one.given, one.hidden, one.made))
        told = []
        for given, hidden, made in zip(*rows, strict=True):
            if given not in ends:
                word = {"given": self._vocabulary.words[given]}
                told.append({**word, "guess": self._vocabulary.words[made]} if hidden else word)
        return told


def _row(tensor: Tensor, place: int) -> list[int]:
    numbers: list[int] = tensor[place, 0].tolist()
    return numbers


def _pictures(one: Shown, place: int) -> dict[str, np.ndarray]:
    found = {"input": draw(one.kind, one.given[place]), "visible": _visible(one, place)}
    return found if one.made is None else {**found, "reconstruction": draw(one.kind, one.made[place])}


def _visible(one: Shown, place: int) -> np.ndarray:
    """What was given, NaN where it was hidden."""
    given, hidden = draw(one.kind, one.given[place]), draw(one.kind, one.hidden[place]) > 0
    return np.where(hidden[..., None] if given.ndim > hidden.ndim else hidden, np.nan, given)
