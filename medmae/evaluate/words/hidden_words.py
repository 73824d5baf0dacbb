"""What hidden words cost a method: with their own clip, another's, a blank one, and by how often words occur alone."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from medmae.data.samples import Samples
from medmae.data.video.captioned import CaptionedClips
from medmae.evaluate.batches import each_batch
from medmae.evaluate.left_out import write_left_out
from medmae.evaluate.reconstruct.panels import choose
from medmae.evaluate.statistics import summarise
from medmae.evaluate.tables import write_csv
from medmae.evaluate.words.told_cubes import NO_WORDS, OTHER_WORDS, OWN_WORDS, ToldOfClips, cube_costs
from medmae.evaluate.words.word_strips import WordStrips
from medmae.files import write_text
from medmae.masking.base import Masks
from medmae.masking.words import between_ends
from medmae.methods.base import MaskedMethod
from medmae.objectives.matching import next_where
from medmae.tokens.text import PAD, WORDS, Vocabulary

RECORD, ROWS = "hidden_words.json", "hidden_words.csv"
OWN, OTHER, BLANK, COMMON = "own clip", "clip of other words", "blank clip", "how often words occur"
Errors = dict[str, Tensor]  # of each sample, by what was read
Figure = Callable[[Mapping[str, float]], float]  # of a sample


@torch.no_grad()
def evaluate_hidden_words(
    *,
    method: MaskedMethod,
    vocabulary: Vocabulary,
    held_out: Samples,
    train: Samples,
    out: str | Path,
    device: torch.device | str = "cpu",
    batch_size: int = 16,
    strips: int = 6,
    seed: int = 0,
) -> dict[str, Any]:
    """Mean cross-entropy of hidden words, in nats, over subjects, and film strips with words to look at.

    The same words are hidden and the same cubes whatever is read. A clip of other words is the next of the batch that
    is of another video and whose caption is another; samples without one are left out of all figures. A blank clip is
    one grey, the mean of its batch. What occurs often is counted in ``train``, each word once more than it was seen.
    Of a method that rebuilds clips with words beside them also what hidden cubes cost; see :func:`cube_costs`.

    Args:
        method: That hides words and finds them: its step has a term of words.
        vocabulary: By which its words are read.
        held_out: Clips with captions.
        train: Those that it learnt from.
        out: Receives ``hidden_words.json``, ``hidden_words.csv`` (a row a sample) and ``word_strips.*``.
        device: Where to compute.
        batch_size: Samples at once; two at least.
        strips: How many samples to draw.
        seed: Of what is hidden.

    Returns:
        What ``hidden_words.json`` holds.
    """
    method.to(device).eval()
    generator, failed = torch.Generator().manual_seed(seed), dict[int, str]()
    abouts = {number: held_out.describe(number) for number in range(len(held_out))}
    drawn = WordStrips(vocabulary, wanted=choose(abouts, count=strips))
    common = _frequencies(train, vocabulary).to(device)
    rows: list[dict[str, float]] = []
    subjects: list[str] = []
    told: list[dict[str, Any]] = []
    for numbers, batch in each_batch(held_out, device=device, batch_size=batch_size, left_out=failed):
        masks = method.draw_masks(batch, generator=generator)
        other, differs = _next_of_other_words(batch[WORDS.name], [abouts[number].case for number in numbers])
        found = _errors(method, batch, masks, common, other)
        cubes = dict[str, Tensor]()
        if isinstance(method, ToldOfClips):
            cubes = cube_costs(method, batch, masks, other=other, pad=vocabulary.number(PAD))
        shown = method.show(batch, masks)
        for place, number in enumerate(numbers):
            drawn.add(number, about=abouts[number], shown=shown, place=place)
        counted = found.pop("hidden words") > 0
        kept = [place for place in range(len(numbers)) if bool(counted[place] & differs[place])]
        rows += [{name: float(values[place]) for name, values in (found | cubes).items()} for place in kept]
        told += [{"sample": numbers[place], "case": abouts[numbers[place]].case} for place in kept]
        subjects += [abouts[numbers[place]].subject for place in kept]
    write_left_out(out, failed, of=len(held_out))
    if rows:
        write_csv(
            Path(out) / ROWS,
            [{**about, "subject": subject, **row} for about, subject, row in zip(told, subjects, rows, strict=True)],
        )
    record = {"samples": len(rows), "left_out": len(held_out) - len(rows), **_summary(rows, subjects)}
    write_text(Path(out) / RECORD, json.dumps(record, indent=2))
    drawn.write(Path(out))
    return record


def _errors(method: MaskedMethod, batch: Mapping[str, Tensor], masks: Masks, common: Tensor, other: Tensor) -> Errors:
    """Of each sample: what its hidden words cost, how many are found, and how many there are."""
    words, mask = batch[WORDS.name], masks[WORDS.name]
    true = mask.hidden(words.unsqueeze(2)).squeeze(2)  # (B, M)
    weight = torch.ones_like(true, dtype=torch.float) if mask.weight is None else mask.weight
    clips = {name: value for name, value in batch.items() if name in method.kinds and name != WORDS.name}
    read = {
        OWN: batch,
        OTHER: {**batch, **{name: value.index_select(0, other) for name, value in clips.items()}},
        BLANK: {**batch, **{name: value.float().mean().expand_as(value) for name, value in clips.items()}},
    }

    def mean(error: Tensor) -> Tensor:
        return (error * weight).sum(dim=1) / weight.sum(dim=1).clamp(min=1)

    found = Errors()
    for name, data in read.items():
        logits = _logits(method, data, masks)
        found[name] = mean(_cost(logits, true))
        found[f"right, {name}"] = mean((logits.argmax(dim=2) == true).float())
    found[COMMON] = mean(-common[true])
    found[f"right, {COMMON}"] = mean((common.argmax() == true).float())
    return {**found, "hidden words": weight.sum(dim=1)}


def _cost(logits: Tensor, true: Tensor) -> Tensor:
    return -logits.float().log_softmax(dim=2).gather(2, true.unsqueeze(2)).squeeze(2)  # (B, M)


def _logits(method: MaskedMethod, batch: Mapping[str, Tensor], masks: Masks) -> Tensor:
    return method(batch, masks=masks, generator=torch.Generator().manual_seed(0)).prediction[WORDS.name]


def _next_of_other_words(words: Tensor, cases: Sequence[str]) -> tuple[Tensor, Tensor]:
    """Of each sample the next one of another video, ``cases``, and of other words, and whether there is one."""
    same = torch.unique(words, dim=0, return_inverse=True)[1]  # (B,)
    whose = torch.tensor([cases.index(case) for case in cases], device=words.device)
    return next_where((same.unsqueeze(1) != same) & (whose.unsqueeze(1) != whose))


def _frequencies(train: Samples, vocabulary: Vocabulary) -> Tensor:
    """Logarithms of how often each word occurs in the captions of some samples ``(vocabulary,)``."""
    view = train.view
    assert isinstance(view, CaptionedClips)
    captions = [view.caption(train.source, train.item(number)) for number in range(len(train))]
    words = view.encoded(captions).words  # (N, L)
    seen = words[between_ends(words != vocabulary.number(PAD))]
    counts = 1 + torch.bincount(seen, minlength=len(vocabulary))
    return (counts / counts.sum()).log()


def _summary(rows: Sequence[Mapping[str, float]], subjects: Sequence[str]) -> dict[str, Any]:
    """``scores`` of words, and ``cubes``, if there are any."""
    if not rows:
        return {"scores": {}}
    return {
        part: {
            name: summarise([of(row) for row in rows], subjects).as_dict()
            for name, of in figures.items()
            if np.isfinite([of(row) for row in rows]).all()
        }
        for part, figures in (("scores", _OF_WORDS), ("cubes", _OF_CUBES))
        if part == "scores" or OWN_WORDS in rows[0]
    }


def _itself(name: str) -> Figure:
    return lambda row: row[name]


def _gain(over: str, own: str) -> Figure:
    return lambda row: row[over] - row[own]


_OF_WORDS: dict[str, Figure] = {
    **{name: _itself(name) for name in (OWN, OTHER, BLANK, COMMON)},
    "gain of the own clip": _gain(OTHER, OWN),
    "gain over a blank clip": _gain(BLANK, OWN),
    "gain over how often words occur": _gain(COMMON, OWN),
    "right": _itself(f"right, {OWN}"),
    "right by a clip of other words": _itself(f"right, {OTHER}"),
    "right by a blank clip": _itself(f"right, {BLANK}"),
    "right by the most frequent word": _itself(f"right, {COMMON}"),
}
_OF_CUBES: dict[str, Figure] = {
    **{name: _itself(name) for name in (OWN_WORDS, OTHER_WORDS, NO_WORDS)},
    "gain over words of another clip": _gain(OTHER_WORDS, OWN_WORDS),
    "gain over hidden words": _gain(NO_WORDS, OWN_WORDS),
}
