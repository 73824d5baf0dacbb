"""What happened to each key when weights were loaded."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from torch import Tensor

from medmae.weights.adapt import Shape, rules_for

_ENCODER = "encoder."
_MIN_SHARE = 0.95  # of the encoder's keys; with fewer, what is trained on is mostly noise
_SHOWN = 8
_CLASS_TOKEN = "cls_token"


class Reshaped(NamedTuple):
    """A key whose shapes differ."""

    key: str
    theirs: Shape
    ours: Shape

    def __str__(self) -> str:
        return self.key


@dataclass(frozen=True)
class ImportReport:
    """What happened to each key.

    Attributes:
        matched: Our keys that were loaded.
        missing: Our keys that the file does not have.
        unexpected: Keys of the file that we do not have.
        reshaped: Keys whose shapes differ, with both shapes.
        dead: Keys of the file that its own network never uses, or that hold nothing learned.
        adapted: Matched keys whose tensors were adapted on request.
    """

    matched: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)
    reshaped: list[Reshaped] = field(default_factory=list)
    dead: list[str] = field(default_factory=list)
    adapted: list[str] = field(default_factory=list)

    @classmethod
    def compare(
        cls, state: Mapping[str, Tensor], own: Mapping[str, Tensor], *, dead: Iterable[str], adapted: Iterable[str]
    ) -> ImportReport:
        """Of a renamed state against a module's own."""
        both = [Reshaped(key, tuple(state[key].shape), tuple(own[key].shape)) for key in sorted(own.keys() & state)]
        return cls(
            matched=[pair.key for pair in both if pair.theirs == pair.ours],
            missing=sorted(own.keys() - state.keys()),
            unexpected=sorted(state.keys() - own.keys()),
            reshaped=[pair for pair in both if pair.theirs != pair.ours],
            dead=list(dead),
            adapted=list(adapted),
        )

    @property
    def fits(self) -> bool:
        """Whether every key found its place."""
        return not (self.missing or self.unexpected or self.reshaped)

    def encoder_gap(self) -> str | None:
        """Why too little of the encoder matches, or None; a module without an encoder counts as one itself."""
        own = [*self.matched, *self.missing, *(pair.key for pair in self.reshaped)]
        prefix = _ENCODER if any(key.startswith(_ENCODER) for key in own) else ""
        wanted = sum(key.startswith(prefix) for key in own)
        found = sum(key.startswith(prefix) for key in self.matched)
        if found >= _MIN_SHARE * wanted:
            return None
        return f"only {found} of {wanted} keys of the encoder match, and {_MIN_SHARE:.0%} must"

    def hints(self) -> list[str]:
        """Which adaptations would make tensors of other shapes fit, and whether the encoder alone would."""
        other = {key.partition(".")[0] for key in self.unexpected}  # a network with more parts: no rule makes it fit
        rules = {
            pair.key: rules_for(*pair)
            for pair in self.reshaped
            if pair.key.partition(".")[0] not in other and not self._lacks_class_token(pair)
        }
        hints = [f"{key} would fit with adapt={rule}" for key, rule in rules.items() if rule]
        if any(key.endswith(_CLASS_TOKEN) for key in self.missing):
            hints.append(
                "the file has no class token: build the network without, class_token=none (--set class_token=none)"
            )
        if any(key.endswith(_CLASS_TOKEN) for key in self.unexpected):
            hints.append("the file has a class token: build the network with one, class_token=first")
        lacking = [*self.missing, *(pair.key for pair in self.reshaped)]
        whole = any(key.startswith(_ENCODER) for key in self.matched)
        if lacking and whole and not any(key.startswith(_ENCODER) for key in [*lacking, *self.unexpected]):
            hints.append("every key of the encoder matches: load_encoder (--encoder-only) takes it alone")
        return hints

    def _lacks_class_token(self, pair: Reshaped) -> bool:
        """Whether a table of positions differs by the row of a class token alone, which one side has not."""
        apart = [key for key in (*self.missing, *self.unexpected) if key.endswith(_CLASS_TOKEN)]
        rows = [shape[1] if len(shape) == 3 else 0 for shape in (pair.theirs, pair.ours)]
        return bool(apart) and pair.key.endswith("pos_embed") and abs(rows[0] - rows[1]) == 1

    def table(self) -> str:
        """The report as text, one group a line, then the shapes that differ."""
        groups = ("matched", "adapted", "missing", "unexpected", "reshaped", "dead")
        lines = []
        for group in groups:
            keys = [str(key) for key in getattr(self, group)]
            shown = "" if group == "matched" else ", ".join(keys[:_SHOWN]) + (", ..." if len(keys) > _SHOWN else "")
            lines.append(f"{group:>10} {len(keys):5d}  {shown}".rstrip())
        if self.reshaped:
            rows = [("key", "file", "model")]
            rows += [(pair.key, str(pair.theirs), str(pair.ours)) for pair in self.reshaped]
            widths = [max(len(row[i]) for row in rows) for i in range(2)]
            lines += [f"  {key:{widths[0]}}  {theirs:{widths[1]}}  {ours}" for key, theirs, ours in rows]
        return "\n".join([*lines, *self.hints()])
