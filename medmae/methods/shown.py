"""What a masked method was shown and what it made of the rest, for the eye and for figures of merit."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from medmae.kinds import Kind


@dataclass(frozen=True)
class Shown:
    """One thing, in its own units, not scaled for a network.

    Attributes:
        kind: What it is.
        given: All of it, hidden parts too, ``(B, C, *size)``.
        hidden: True where it was hidden, bool ``(B, 1, *size)``; nowhere in a sample that lacks this kind.
        made: What the method made of it. Of the shape of ``given`` what was visible is pasted; a method that pastes
            nothing (a cloud of other points) gives another shape. None where it does not rebuild this.
        by_patch: As ``made``, of an output that knows patches only as normalised each by itself, with the true mean and
            deviation of what was hidden, as authors draw it: for the eye, captioned so, and in no figure of merit. None
            without such an output.
        beside: Name of the thing of which this is another aspect, drawn with it and not scored: ``image`` for the
            edges of an image. None of data that the batch holds.
    """

    kind: Kind
    given: Tensor
    hidden: Tensor
    made: Tensor | None = None
    by_patch: Tensor | None = None
    beside: str | None = None
