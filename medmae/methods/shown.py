"""What a masked method was shown and what it made of the rest, for the eye and for figures of merit."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from medmae.kinds import Kind
from medmae.masking.base import Mask
from medmae.tokens.patches import Patches
from medmae.tokens.text import WORDS


@dataclass(frozen=True)
class Shown:
    """One thing, in its own units, not scaled for a network.

    Attributes:
        kind: What it is.
        given: All of it, hidden parts too, ``(B, C, *size)``.
        hidden: True where it was hidden, bool ``(B, 1, *size)``; nowhere in a sample that lacks this kind.
        made: What the method made of it, of the shape of ``given``, with what was visible pasted. None where it does
            not rebuild this.
        anew: Whether ``made`` is something of its own, of any size, into which nothing is pasted: a whole cloud of
            other points.
        by_patch: As ``made``, of an output that knows patches only as normalised each by itself, with the true mean and
            deviation of what was hidden, as authors draw it: for the eye, captioned so, and in no figure of merit. None
            without such an output.
        beside: Name of the thing of which this is another aspect, drawn with it and not scored: ``image`` for the
            edges of an image. None of data that the batch holds.
        said: What no picture of it shows, a sentence a sample; empty where there is nothing to say.
    """

    kind: Kind
    given: Tensor
    hidden: Tensor
    made: Tensor | None = None
    by_patch: Tensor | None = None
    beside: str | None = None
    said: tuple[str, ...] = ()
    anew: bool = False


def guessed_words(words: Tensor, mask: Mask, logits: Tensor) -> Shown:
    """Sentences ``(B, L)`` with the likeliest words in place of hidden ones, of logits ``(B, M, vocabulary)``."""
    likeliest = logits.argmax(dim=2, keepdim=True)
    guesses = mask.restore(words.new_zeros(*mask.visible.shape, 1), likeliest)
    hidden = mask.decoded()  # (B, L)
    made = torch.where(hidden, guesses.squeeze(2), words)
    return Shown(WORDS, words.unsqueeze(1), hidden.unsqueeze(1), made.unsqueeze(1))  # (B, 1, L) each


def left_over(kind: Kind, patches: Patches, data: Tensor, index: Tensor, *, said: Iterable[str] = ()) -> Shown:
    """Data ``(B, C, *size)`` of which only the patches ``index`` ``(B, K)``, -1 for none, are left; nothing is made."""
    table = torch.ones(len(data), patches.num_tokens + 1, dtype=torch.bool, device=data.device)
    dropped = patches.paint(table.scatter(1, index.where(index >= 0, patches.num_tokens), False)[:, :-1])
    return Shown(kind, data, dropped, beside=kind.name, said=tuple(said))
