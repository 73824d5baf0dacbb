"""What a method answers to questions: with the clip, with its middle frame alone, and with the clip of another case."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from medmae.data.video.answer_list import spelt
from medmae.evaluate.batches import each_batch
from medmae.evaluate.words.asked_units import Asked, AskedUnits
from medmae.methods.answering import VideoQuestionAnswering
from medmae.objectives.matching import next_other
from medmae.tokens.text import WORDS

OWN, STILL, OTHER = "this network", "one frame of the clip", "clip of another case"


@dataclass(frozen=True, kw_only=True)
class Said:
    """What a method says to questions.

    Attributes:
        shares: Of answers, or choices, ``(N, K)`` by what was shown; rows add up to 1, or are NaN where it could not be
            shown.
        places: Which of the questions could be read, ``(N,)``.
    """

    shares: Mapping[str, np.ndarray]
    places: Sequence[int]


@torch.no_grad()
def said_to(
    units: AskedUnits,
    method: VideoQuestionAnswering,
    *,
    device: torch.device | str,
    batch_size: int,
    left_out: dict[int, str],
    controls: bool = True,
) -> Said:
    """What a method says, the mean over views of a clip; a question of which a view cannot be read is left out.

    Args:
        units: Questions.
        method: Answers them.
        device: Where to compute.
        batch_size: Samples at once.
        left_out: Receives why a sample could not be read, by its number.
        controls: Whether to show single frames and clips of other cases, too: those of the next case in a batch.
    """
    method.to(device).eval()
    (name,) = (name for name in units.samples.kinds if name != WORDS.name)
    case = units.case_of
    found: dict[str, dict[int, Tensor]] = {}
    for numbers, batch in each_batch(units.samples, device=device, batch_size=batch_size, left_out=left_out):
        shown, differs = {OWN: batch[name]}, None
        if controls:
            other, differs = next_other(torch.tensor([case[number] for number in numbers], device=batch[name].device))
            shown |= {STILL: _still(batch[name]), OTHER: batch[name].index_select(0, other)}
        for what, clip in shown.items():
            shares = method.logits({**batch, name: clip}).float().softmax(dim=1)
            if what == OTHER and differs is not None:
                shares = shares.where(differs.unsqueeze(1), torch.nan)
            found.setdefault(what, {}).update(zip(numbers, shares.cpu(), strict=True))
    read = found.get(OWN, {})
    places = [place for place, some in enumerate(units.members) if all(number in read for number in some)]
    return Said(shares={what: _mean(each, units, places) for what, each in found.items() if places}, places=places)


def answer_of(one: Asked, shares: np.ndarray, method: VideoQuestionAnswering) -> str:
    """The likeliest of ``(K,)``, as answers are compared; of what could not be shown none."""
    if np.isnan(shares).any():
        return ""
    best = int(shares.argmax())
    return spelt(one.question.choices[best] if method.by == "choices" else method.answers[best])


def _still(clip: Tensor) -> Tensor:
    """The middle frame of clips ``(B, C, T, H, W)``, all the time."""
    return clip[:, :, clip.shape[2] // 2].unsqueeze(2).expand_as(clip)


def _mean(shares: Mapping[int, Tensor], units: AskedUnits, places: Sequence[int]) -> np.ndarray:
    return np.stack([torch.stack([shares[n] for n in units.members[place]]).mean(dim=0).numpy() for place in places])
