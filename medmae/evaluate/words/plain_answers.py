"""What answers questions without a network: the most frequent answer, the words of the question, plain features."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from medmae.evaluate.words.asked_units import Asked

Features = Mapping[str, np.ndarray]  # of each question's clip, (N, D) by name
Shares = Mapping[str, float]  # of answers
_FEWEST = 10  # questions of one text from which its answers are learnt by themselves


@dataclass(frozen=True, kw_only=True)
class Learnt:
    """Questions with known answers.

    Attributes:
        asked: N of them.
        features: Of their clips, by name.
    """

    asked: Sequence[Asked]
    features: Features


def plain_answers(learnt: Learnt, asked: Sequence[Asked], features: Features, *, choices: bool) -> dict[str, list[str]]:
    """What each baseline answers to each question, by its name; answers as they are compared.

    ``most frequent`` ones know the question not at all, by its first two words, or by all of its words; ``question
    words`` is a logistic regression on a bag of words, which sees no clip (of choices: on the words of each choice);
    ``NAME, by question`` is one on plain features of the clip for each question that is asked often enough, and else
    the most frequent answer to it. Of choices also the place, and the length, are looked at.

    Args:
        learnt: Of training.
        asked: To be answered.
        features: Of their clips.
        choices: Whether one of several choices is to be named.
    """
    shares: dict[str, list[Shares]] = {
        "most frequent answer": [_shares(learnt.asked)] * len(asked),
        "most frequent by first words": _by(learnt.asked, asked, lambda one: " ".join(one.text.split()[:2])),
        "most frequent by question": (by_question := _by(learnt.asked, asked, lambda one: one.text)),
    }
    if not choices:
        shares["question words"] = _by_words(learnt.asked, asked)
    for name, values in learnt.features.items():
        shares[f"{name}, by question"] = _by_features(learnt.asked, values, asked, features[name], by_question)
    found = {
        name: [_best(one, own, choices) for one, own in zip(asked, some, strict=True)] for name, some in shares.items()
    }
    if choices:
        place = Counter(one.question.right for one in learnt.asked).most_common(1)[0][0] or 0
        found["most frequent place"] = [one.choices[min(place, len(one.choices) - 1)] for one in asked]
        found["longest choice"] = [max(one.choices, key=len) for one in asked]
        found["choice words"] = _by_choice_words(learnt.asked, asked)
    return found


def _best(one: Asked, shares: Shares, choices: bool) -> str:
    among = one.choices if choices else sorted(shares)
    return max(among, key=lambda answer: shares.get(answer, 0.0))


def _shares(asked: Sequence[Asked]) -> Shares:
    counts = Counter[str]()
    for one in asked:
        counts.update(one.answers)
    return dict(counts)


def _by(learnt: Sequence[Asked], asked: Sequence[Asked], key: Callable[[Asked], str]) -> list[Shares]:
    """Of those that have the same key; of all where none has."""
    groups = defaultdict[str, list[Asked]](list)
    for one in learnt:
        groups[key(one)].append(one)
    known, everything = {name: _shares(some) for name, some in groups.items()}, _shares(learnt)
    return [known.get(key(one), everything) for one in asked]


def _by_words(learnt: Sequence[Asked], asked: Sequence[Asked]) -> list[Shares]:
    counts = CountVectorizer(token_pattern=r"(?u)\b\w+\b", binary=True).fit([one.text for one in learnt])
    words = (counts.transform([one.text for one in some]) for some in (learnt, asked))
    return _fitted(next(words), [one.answers[0] for one in learnt], next(words))


def _by_features(
    learnt: Sequence[Asked],
    values: np.ndarray,
    asked: Sequence[Asked],
    features: np.ndarray,
    otherwise: Sequence[Shares],
) -> list[Shares]:
    found = list(otherwise)
    places = defaultdict[str, list[int]](list)
    for place, one in enumerate(learnt):
        places[one.text].append(place)
    for text, own in places.items():
        wanted = [place for place, one in enumerate(asked) if one.text == text]
        answers = [learnt[place].answers[0] for place in own]
        if len(own) < _FEWEST or len(set(answers)) < 2 or not wanted:
            continue
        for place, shares in zip(wanted, _fitted(values[own], answers, features[wanted]), strict=True):
            found[place] = shares
    return found


def _by_choice_words(learnt: Sequence[Asked], asked: Sequence[Asked]) -> list[str]:
    """The choice whose words are most often those of a right one."""
    rows = [(choice, one.is_right(choice)) for one in learnt for choice in one.choices]
    counts = CountVectorizer(token_pattern=r"(?u)\b\w+\b", binary=True).fit([choice for choice, _ in rows])
    model = LogisticRegression(max_iter=1000)
    model.fit(counts.transform([choice for choice, _ in rows]), [right for _, right in rows])
    return [one.choices[int(model.decision_function(counts.transform(one.choices)).argmax())] for one in asked]


def _fitted(features: np.ndarray, answers: Sequence[str], wanted: np.ndarray) -> list[Shares]:
    if len(set(answers)) < 2:
        return [{answers[0]: 1.0}] * wanted.shape[0]
    model = make_pipeline(StandardScaler(with_mean=isinstance(features, np.ndarray)), LogisticRegression(max_iter=1000))
    found = model.fit(features, answers).predict_proba(wanted)
    return [dict(zip(model.classes_, row, strict=True)) for row in found.tolist()]
