"""What everyone says of faces, whole and under each occlusion: the same hidden patches for all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from medmae.data.samples import Samples
from medmae.evaluate.batches import Batch, each_batch
from medmae.evaluate.faces.occluded import hidden_at
from medmae.evaluate.faces.plain_units import COLOUR, POINTS, RATE, PlainUnits
from medmae.evaluate.faces.readers import UnitMethod, patches_of, readers_of
from medmae.masking.occlusion import Occlusion
from medmae.tokens.patches import Patches


@dataclass(frozen=True, order=True)
class Condition:
    """How faces are hidden.

    Attributes:
        occlusion: Its kind; empty of whole faces.
        level: Share of patches.
        seed: Of the draw.
    """

    occlusion: str = ""
    level: float = 0.0
    seed: int = 0

    @property
    def whole(self) -> bool:
        """Whether nothing is hidden."""
        return not self.occlusion


@dataclass
class Gathered:
    """Of N faces.

    Attributes:
        numbers: Which samples could be read.
        targets: ``(N, K)``, NaN where nobody coded a unit.
        intensities: Likewise, from 0 to 5.
        shares: ``(N, K)`` by who says it and how faces were hidden.
        strengths: Intensities that networks say of whole faces, likewise by who.
    """

    numbers: list[int] = field(default_factory=list)
    targets: np.ndarray = field(default_factory=lambda: np.zeros((0, 0)))
    intensities: np.ndarray = field(default_factory=lambda: np.zeros((0, 0)))
    shares: dict[tuple[str, Condition], np.ndarray] = field(default_factory=dict)
    strengths: dict[str, np.ndarray] = field(default_factory=dict)


@torch.no_grad()
def gather(
    method: UnitMethod,
    samples: Samples,
    conditions: Sequence[Condition],
    *,
    plain: PlainUnits | None,
    device: torch.device | str,
    batch_size: int,
    left_out: dict[int, str],
) -> Gathered:
    """What a method, what it brings and what needs no network say of faces.

    Args:
        method: Reads units.
        samples: Of a view that draws nothing.
        conditions: How faces are hidden.
        plain: Baselines; None: none.
        device: Where to compute.
        batch_size: Faces at once.
        left_out: Receives why a face could not be read, by its number.
    """
    method.to(device).eval()
    patches, readers = patches_of(method), readers_of(method)
    found, parts = Gathered(), _Parts()
    for numbers, batch in each_batch(samples, device=device, batch_size=batch_size, left_out=left_out):
        found.numbers += numbers
        parts.add("targets", batch["target"])
        parts.add("intensities", batch["intensity"])
        for condition in conditions:
            hidden = _hidden(condition, samples, numbers, batch, patches)
            for name, read in readers.items():
                graph = read(batch["image"], hidden)
                parts.add((name, condition), graph.units)
                if condition.whole and graph.intensities is not None:
                    parts.add(f"strength {name}", graph.intensities)
            if plain is not None:
                for name, said in _plain(plain, batch, hidden, patches).items():
                    parts.add((name, condition), said)
    rows = parts.rows()
    found.targets, found.intensities = rows.pop("targets"), rows.pop("intensities")
    for name in readers:
        if (own := rows.pop(f"strength {name}", None)) is not None:
            found.strengths[name] = own
    found.shares = {key: value for key, value in rows.items() if isinstance(key, tuple)}
    return found


@torch.no_grad()
def learnt_plainly(train: Samples, *, patches: Patches, batch_size: int) -> PlainUnits | None:
    """Baselines from training faces; None where there are none."""
    if not len(train):
        return None
    parts = _Parts()
    for _, batch in each_batch(train, batch_size=batch_size, left_out={}):
        parts.add("targets", batch["target"])
        for name, given in _numbers(batch, None, patches).items():
            parts.add(name, given)
    rows = parts.rows()
    targets = rows.pop("targets")
    return PlainUnits.of(targets, {str(k): v for k, v in rows.items() if k == COLOUR or np.isfinite(v).all()})


def _hidden(
    condition: Condition, samples: Samples, numbers: Sequence[int], batch: Batch, patches: Patches
) -> Tensor | None:
    if condition.whole:
        return None
    about = [samples.describe(number) for number in numbers]
    kind: Occlusion = condition.occlusion  # type: ignore[assignment]
    hidden = hidden_at(
        kind,
        condition.level,
        cases=[f"{one.case} {one.place.get('frame', '')}" for one in about],
        grid=patches.grid,
        landmarks=batch["landmarks"].cpu(),
        seed=condition.seed,
    )
    return hidden.to(batch["image"].device)


def _numbers(batch: Batch, hidden: Tensor | None, patches: Patches) -> dict[str, Tensor]:
    """Mean colour of what is visible ``(B, 3)``, and landmarks of the whole face ``(B, 136)``."""
    image = batch["image"]
    seen = torch.ones_like(image[:, :1]) if hidden is None else (~patches.paint(hidden)).to(image.dtype)
    colour = (image * seen).sum(dim=(2, 3)) / seen.sum(dim=(2, 3))
    return {COLOUR: colour, POINTS: batch["landmarks"].flatten(1)}


def _plain(plain: PlainUnits, batch: Batch, hidden: Tensor | None, patches: Patches) -> Mapping[str, Tensor]:
    given = {name: each.cpu().numpy() for name, each in _numbers(batch, hidden, patches).items()}
    known = {n: given[n] for n in plain.models if np.isfinite(given[n]).all()}
    said = {RATE: plain.constant(len(batch["image"])), **{name: plain.said(name, each) for name, each in known.items()}}
    return {name: torch.from_numpy(each) for name, each in said.items()}


class _Parts:
    """Rows that come in batches, by name."""

    def __init__(self) -> None:
        self._parts: dict[str | tuple[str, Condition], list[np.ndarray]] = {}

    def add(self, name: str | tuple[str, Condition], rows: Tensor) -> None:
        self._parts.setdefault(name, []).append(rows.float().cpu().numpy().astype(np.float64))

    def rows(self) -> dict[str | tuple[str, Condition], np.ndarray]:
        return {name: np.concatenate(parts) for name, parts in self._parts.items()}
