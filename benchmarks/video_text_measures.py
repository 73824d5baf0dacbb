"""What is measured of a trained network of ``video_text_methods.py``, a row a held-out caption or query."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from sklearn.linear_model import RidgeCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor
from torch.nn import functional as F
from video_text_clips import MAX_WORDS, Pairs

from medmae.evaluate.classify.retrieval import expected_ranks, found_within, standings
from medmae.evaluate.retrieval.entries import Entries
from medmae.evaluate.retrieval.evaluation import both_ways
from medmae.evaluate.words.hidden_words import ROWS, evaluate_hidden_words
from medmae.masking.words import WordMasking
from medmae.methods.simvtp import SimVTP
from medmae.tokens.text import PAD, WORDS, Vocabulary

RATIOS = (0.15, 0.75)  # of hidden words, at which every arm is asked
Row = dict[str, Any]


def hidden_parts(method: SimVTP, pairs: Pairs, *, ratio: float) -> list[Row]:
    """What hidden words and cubes of every held-out clip's first caption cost, by what was read beside them."""
    assert method.vocabulary is not None
    method.contrast = method.matching = 0.0  # nothing of them is asked here
    method.word_masking = WordMasking(max_words=MAX_WORDS, ratio=ratio)
    with TemporaryDirectory() as out:
        evaluate_hidden_words(
            method=method,
            vocabulary=method.vocabulary,
            held_out=pairs.told,
            train=pairs.train,
            out=out,
            batch_size=64,
            strips=1,
        )
        with (Path(out) / ROWS).open() as file:
            return [{"word_ratio": ratio, **row} for row in csv.DictReader(file)]


class Searched:
    """Held-out clips and captions, each of which is to find the other kind's."""

    def __init__(self, pairs: Pairs) -> None:
        samples = [pairs.test[number] for number in range(len(pairs.test))]
        abouts = [pairs.test.describe(number) for number in range(len(pairs.test))]
        first = [n for n, about in enumerate(abouts) if about.case not in {other.case for other in abouts[:n]}]
        self.words = torch.stack([sample[WORDS.name] for sample in samples])
        self.clips = torch.stack([samples[n]["image"] for n in first])
        self.texts = Entries(
            kind="text",
            owners=[about.case for about in abouts],
            contents=[str(about.place["caption"]) for about in abouts],
            patients=[about.subject for about in abouts],
        )
        self.videos = Entries(
            kind="video",
            owners=[abouts[n].case for n in first],
            patients=[abouts[n].subject for n in first],
        )
        self.vocabulary = Vocabulary.of(pairs.words)
        self.known = {name: rows[::4] for name, rows in pairs.bank.items()}  # a quarter is enough to fit a ridge to

    def rank(self, similarity: np.ndarray) -> Iterator[Row]:
        """A row a query and way, of texts and videos ``(N, M)``."""
        for way, side in zip(both_ways(self.texts, self.videos), (similarity, similarity.T), strict=True):
            standing = standings(way.of(side), way.belongs)
            recalls = {f"r_at_{k}": found_within(standing, k) for k in (1, 5)}
            rank, patients = expected_ranks(standing), way.patients
            assert patients is not None
            for place in range(len(standing)):
                found = {name: round(float(each[place]), 5) for name, each in recalls.items()}
                yield {
                    "way": way.name,
                    "query": int(way.asked[place]),
                    "subject": patients[place],
                    **found,
                    "rank": round(float(rank[place]), 3),
                    "gallery": len(way.gallery),
                }

    def of_network(self, method: SimVTP) -> dict[str, np.ndarray]:
        """Similarities by the cosine of its means, and by a ridge from those of captions to those of clips."""
        texts, clips = (_features(method, WORDS.name, each) for each in (self.known[WORDS.name], self.words))
        seen, searched = (_features(method, "image", each) for each in (self.known["image"], self.clips))
        return {"cosine": _unit(clips) @ _unit(searched).T, "ridge": bridged(texts, seen, clips, searched)}

    def of_baselines(self) -> dict[str, np.ndarray]:
        """What needs no network: chance, and a ridge from plain figures of captions to plain figures of clips."""
        bags = [self._bags(words) for words in (self.known[WORDS.name], self.words)]
        lengths = [bag.sum(axis=1, keepdims=True) for bag in bags]
        frames = [_mean_frame(clips) for clips in (self.known["image"], self.clips)]
        greys = [_mean_grey(clips) for clips in (self.known["image"], self.clips)]
        return {
            "chance": np.zeros((len(self.texts), len(self.videos))),
            "caption length and mean frame": bridged(lengths[0], frames[0], lengths[1], frames[1]),
            "bag of words and mean grey": bridged(bags[0], greys[0], bags[1], greys[1]),
            "bag of words and mean frame": bridged(bags[0], frames[0], bags[1], frames[1]),
        }

    def _bags(self, words: Tensor) -> np.ndarray:
        counts = F.one_hot(words, len(self.vocabulary)).sum(dim=1)
        counts[:, self.vocabulary.number(PAD)] = 0
        return counts.double().numpy()


def bridged(texts: np.ndarray, clips: np.ndarray, asked: np.ndarray, searched: np.ndarray) -> np.ndarray:
    """Similarity of captions ``asked`` and clips ``searched`` by a ridge that was fitted to known pairs of them.

    Figures of clips are standardised; a clip is the more similar the smaller the angle, seen from the mean clip, to
    what the caption lets expect. The penalty is that of least error of each known pair by all others.
    """
    scaler = StandardScaler().fit(clips)
    ridge = make_pipeline(StandardScaler(), RidgeCV(alphas=np.logspace(-2, 4, 7))).fit(texts, scaler.transform(clips))
    expected = ridge.predict(asked).reshape(len(asked), -1)
    return _unit(expected) @ _unit(scaler.transform(searched)).T


@torch.no_grad()
def _features(method: SimVTP, name: str, data: Tensor) -> np.ndarray:
    parts = [method.encoder.features({name: part}) for part in data.split(128)]
    return torch.cat(parts).double().numpy()


def _mean_frame(clips: Tensor) -> np.ndarray:
    return F.adaptive_avg_pool2d(clips.mean(dim=(1, 2)), 8).flatten(1).double().numpy()


def _mean_grey(clips: Tensor) -> np.ndarray:
    return torch.stack([clips.mean(dim=(1, 2, 3, 4)), clips.std(dim=(1, 2, 3, 4))], dim=1).double().numpy()


def _unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
