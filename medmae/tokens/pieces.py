"""Pieces of words learnt from how often words occur, the same every time: ties go by the alphabet.

Byte-pair merging (R. Sennrich, B. Haddow, A. Birch, "Neural Machine Translation of Rare Words with Subword Units",
arXiv 1508.07909) in WordPiece's spelling, as the trainer of Hugging Face's ``tokenizers`` does it, which breaks ties by
chance.
"""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict
from collections.abc import Mapping
from itertools import pairwise

INSIDE = "##"  # begins what continues a word
_LEAST = 2  # what occurs once, such as a name, is spelled and not kept whole
Pair = tuple[str, str]


def learn_pieces(words: Mapping[str, int], *, size: int) -> list[str]:
    """Letters, most frequent first, then pieces in the order in which they were merged.

    Args:
        words: How often each occurs.
        size: Pieces at most; if not even all letters fit, the rarest are left out.
    """
    spelled = {word: [word[0], *(INSIDE + letter for letter in word[1:])] for word in words if word}
    letters = Counter[str]()
    for word, parts in spelled.items():
        for letter in parts:
            letters[letter] += words[word]
    pieces = dict.fromkeys(sorted(letters, key=lambda letter: (-letters[letter], letter))[:size])
    merging = _Merging({word: parts for word, parts in spelled.items() if pieces.keys() >= set(parts)}, words)
    while len(pieces) < size and (piece := merging.merge_next()) is not None:
        pieces[piece] = None
    return list(pieces)


class _Merging:
    """Words as they are spelled so far, and how often each pair of neighbours occurs in them."""

    def __init__(self, spelled: dict[str, list[str]], times: Mapping[str, int]) -> None:
        self._spelled, self._times = spelled, times
        self._counts, self._where = Counter[Pair](), defaultdict[Pair, set[str]](set)
        for word in spelled:
            self._count(word, sign=1)
        self._queue = [(-count, pair) for pair, count in self._counts.items()]
        heapq.heapify(self._queue)

    def merge_next(self) -> str | None:
        """Merges the most frequent pair everywhere; None if none occurs twice."""
        while self._queue:
            count, pair = heapq.heappop(self._queue)
            if -count == self._counts[pair]:  # else it has changed since, and stands in the queue again
                break
        else:
            return None
        if -count < _LEAST:
            return None
        piece, touched = pair[0] + pair[1].removeprefix(INSIDE), set[Pair]()
        for word in sorted(self._where[pair]):
            touched |= self._count(word, sign=-1)
            self._spelled[word] = _merged(self._spelled[word], pair, piece)
            touched |= self._count(word, sign=1)
        for changed in touched:
            heapq.heappush(self._queue, (-self._counts[changed], changed))
        return piece

    def _count(self, word: str, *, sign: int) -> set[Pair]:
        pairs = list(pairwise(self._spelled[word]))
        for pair in pairs:
            self._counts[pair] += sign * self._times[word]
            (self._where[pair].add if sign > 0 else self._where[pair].discard)(word)
        return set(pairs)


def _merged(parts: list[str], pair: Pair, piece: str) -> list[str]:
    found: list[str] = []
    at = 0
    while at < len(parts):
        both = tuple(parts[at : at + 2]) == pair
        found.append(piece if both else parts[at])
        at += 2 if both else 1
    return found
