"""What hidden parts of a clip cost beside its own words, beside another clip's, and with all words hidden."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from medmae.kinds import Kind
from medmae.masking.base import Mask, Masks
from medmae.masking.words import between_ends
from medmae.methods.base import Batch, StepOutput
from medmae.tokens.text import WORDS

OWN_WORDS, OTHER_WORDS, NO_WORDS = "its own words", "words of another clip", "all words hidden"


@runtime_checkable
class ToldOfClips(Protocol):
    """A method whose hidden parts of clips are rebuilt with words beside them."""

    def __call__(self, batch: Batch, *, masks: Masks, generator: torch.Generator) -> StepOutput:
        """One step."""

    @property
    def kinds(self) -> Mapping[str, Kind]:
        """What it takes."""

    def target(self, batch: Batch, mask: Mask) -> Tensor:
        """What hidden parts of the clip are to become, ``(B, M, P)``."""


def cube_costs(
    method: ToldOfClips, batch: Mapping[str, Tensor], masks: Masks, *, other: Tensor, pad: int
) -> dict[str, Tensor]:
    """Mean squared error of each sample's hidden cubes in the units of its target, by which words were read.

    The same cubes are hidden; words are read whole, or are all hidden but for their number.

    Args:
        method: What rebuilds.
        batch: Clips and words ``(B, L)``.
        masks: Of which those of clips are taken.
        other: Whose words are another clip's, ``(B,)``.
        pad: Number of ``[PAD]``.

    Returns:
        ``(B,)`` each.
    """
    words = batch[WORDS.name]
    read = {OWN_WORDS: (words, False), OTHER_WORDS: (words.index_select(0, other), False), NO_WORDS: (words, True)}
    (clip,) = (name for name in method.kinds if name != WORDS.name)
    target = method.target(batch, masks[clip])  # (B, M, P)
    costs = {}
    for name, (said, hidden) in read.items():
        real = said != pad
        shown = Mask.from_bool(between_ends(real) & hidden, real=real, replaced=True)
        generator = torch.Generator().manual_seed(0)
        output = method({**batch, WORDS.name: said}, masks={**masks, WORDS.name: shown}, generator=generator)
        costs[name] = (output.prediction[clip] - target).square().mean(dim=(1, 2))
    return costs
