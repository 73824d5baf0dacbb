"""Held-out clouds of which more and more is hidden, completed, beside what needs no network."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Generator, Tensor

from medmae.data.samples import Samples
from medmae.errors import DataError
from medmae.evaluate.batches import each_batch
from medmae.evaluate.completion.distances import FIGURES, figures_of, nearest_cloud
from medmae.evaluate.completion.pictures import GIVEN, HIDDEN, MADE, by_distance, drawn
from medmae.evaluate.left_out import write_left_out
from medmae.evaluate.reconstruct.panels import write_panels
from medmae.evaluate.statistics import summarise
from medmae.files import write_text
from medmae.masking.base import Masks
from medmae.masking.patches import Choice, PatchMasking
from medmae.methods.base import Batch
from medmae.methods.shown import Shown
from medmae.objectives.chamfer import nearest_squared

RECORD, SCORES, FOLDER = "completion.json", "completion.csv", "completed"
SHARES = (0.3, 0.5, 0.7)
OURS, LEFT, NEAREST = "model", "what_is_left", "nearest_training_shape"
_COMPARED = 64  # training shapes that the guess without a network looks at
_OF_RADIUS = 0.05  # distance of the F-score where size was removed


Clouds = tuple[Tensor, Tensor, Tensor]  # the whole, which of it was hidden, what was made
Pictured = tuple[dict[str, Any], dict[str, np.ndarray]]


class Completes(Protocol):
    """A method that completes clouds of which patches are hidden."""

    masking: PatchMasking

    def draw_masks(
        self, batch: Batch, *, generator: Generator | None = None, masking: PatchMasking | None = None
    ) -> Masks:
        """Of any share."""

    def show(self, batch: Batch, masks: Masks) -> dict[str, Shown]:
        """What it makes of the rest."""


def evaluate_completion(
    *,
    method: Any,  # noqa: ANN401 - a module that completes
    dataset: Samples,
    out: str | Path,
    train: Samples | None = None,
    shares: Sequence[float] = SHARES,
    choice: Choice = "block",
    within: float = 1.0,
    batch_size: int = 8,
    seed: int = 0,
    device: torch.device | str = "cpu",
) -> dict[str, Any]:
    """Distances of completed clouds from the whole ones, a row a shape and share, and pictures from three sides.

    Beside the method stand what is left alone, and, where there are shapes of a training, the one of these that what is
    left lies nearest to.

    Args:
        method: See :class:`Completes`; trained.
        dataset: Held-out clouds.
        out: Receives ``completion.csv``, ``completion.json`` and ``completed/panels``.
        train: Clouds of which the guess without a network takes one; None, or the held-out ones themselves: no guess.
        shares: Of patches that are hidden.
        choice: Which patches: a block, as a defect is, or any.
        within: Distance of the F-score in millimetres; where size was removed it is 0.05 of the radius.
        batch_size: Clouds at once.
        seed: Of the masks.
        device: Where to compute.

    Returns:
        What ``completion.json`` holds.

    Raises:
        DataError: If there is no cloud that can be read.
    """
    method.to(device).eval()
    unit = dataset.kinds["points"].unit
    bench = _Bench(
        method=method,
        dataset=dataset,
        others=_some(train, device) if train is not None and len(train) and train.split != dataset.split else None,
        within=within if unit else _OF_RADIUS,
        options={"device": device, "batch_size": batch_size},
    )
    rows: list[dict[str, Any]] = []
    shown: list[Pictured] = []
    for share in shares:
        masking = PatchMasking(num_patches=method.masking.num_patches, ratio=share, choice=choice)
        own = list(bench.completed(masking, seed=seed))
        if not own:
            raise DataError(f"no held-out shape can be read: {next(iter(bench.lost.values()), 'there is none')}")
        rows += [row for row, _ in own]
        shown += list(_pictured(own, share, bench.within))
    write_left_out(out, bench.lost, of=len(dataset))
    record = {"within": bench.within, "unit": unit, "choice": choice, "definitions": _definitions(unit, bench.within)}
    record["shares"] = {f"{share:g}": _summary([row for row in rows if row["share"] == share]) for share in shares}
    _write(Path(out), rows, record)
    write_panels(Path(out) / FOLDER, shown)
    return record


@dataclass(frozen=True, kw_only=True)
class _Bench:
    """A method, the shapes it is tested on, and those of which a guess is taken."""

    method: Any
    dataset: Samples
    others: Tensor | None
    within: float
    options: Mapping[str, Any]
    lost: dict[int, str] = field(default_factory=dict)

    def completed(self, masking: PatchMasking, *, seed: int) -> Iterator[tuple[dict[str, Any], Clouds]]:
        """Each shape: its row, and the whole cloud, which of it was hidden, and what was made."""
        generator = torch.Generator().manual_seed(seed)
        for indices, batch in each_batch(self.dataset, left_out=self.lost, **self.options):
            masks = self.method.draw_masks(batch, generator=generator, masking=masking)
            [one] = self.method.show(batch, masks).values()
            for place, index in enumerate(indices):
                whole, hidden, made = one.given[place].T, one.hidden[place, 0], one.made[place].T
                fills = {OURS: made, LEFT: whole[~hidden]}
                fills |= {} if self.others is None else {NEAREST: nearest_cloud(whole[~hidden], self.others)}
                yield self._row(index, masking.ratio, fills, whole, hidden), (whole, hidden, made)

    def _row(
        self, index: int, share: float, fills: Mapping[str, Tensor], whole: Tensor, hidden: Tensor
    ) -> dict[str, Any]:
        about = self.dataset.describe(index)
        row: dict[str, Any] = {"case": about["case"], "subject": about["subject"], "label": about.get("label", "")}
        row |= {"share": share, "hidden_points": int(hidden.sum())}
        for name, made in fills.items():
            found = figures_of(made, whole, hidden, within=self.within)
            row |= {f"{figure}_{name}": value for figure, value in found.items()}
        return row


def _some(train: Samples, device: torch.device | str) -> Tensor:
    """A few clouds of the training, evenly spread, ``(K, N, 3)``."""
    numbers = np.unique(np.linspace(0, len(train) - 1, min(len(train), _COMPARED)).round().astype(int))
    return torch.stack([train[int(number)]["points"].T for number in numbers]).to(device)


def _summary(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Of one share: each figure over subjects, and how much the method gains on each other fill."""
    fills = [name for name in (OURS, LEFT, NEAREST) if f"cd_l1_{name}" in rows[0]]
    found: dict[str, Any] = {}
    for figure in FIGURES:
        known = [row for row in rows if math.isfinite(row[f"{figure}_{OURS}"])]  # not where patches hid no point
        subjects, sign = [str(row["subject"]) for row in known], 1 if figure == "f_score" else -1
        values = {fill: np.array([row[f"{figure}_{fill}"] for row in known]) for fill in fills}
        found[figure] = {fill: _over(own, subjects) for fill, own in values.items()}
        gains = {fill: sign * (values[OURS] - own) for fill, own in values.items() if fill != OURS}
        found[f"gain_{figure}"] = {fill: _over(own, subjects) for fill, own in gains.items()}
    return found


def _over(values: np.ndarray, subjects: Sequence[str]) -> dict[str, Any]:
    none = {"mean": None, "ci_low": None, "ci_high": None, "n_subjects": 0}
    return summarise(values.tolist(), subjects).as_dict() if len(values) else none


def _definitions(unit: str, within: float) -> dict[str, str]:
    told = f"{within:g} {unit}" if unit else f"{within:g} of the radius"
    return {name: text.format(within=told) for name, text in FIGURES.items()}


def _pictured(own: Sequence[tuple[dict[str, Any], Clouds]], share: float, within: float) -> Iterator[Pictured]:
    """The best, a typical and the worst completion of a share."""
    order = sorted(range(len(own)), key=lambda place: -own[place][0][f"f_score_{OURS}"])
    which = {order[len(order) // 2]: "typical", order[0]: "best", order[-1]: "worst"}  # of few shapes not all three
    for place, name in which.items():
        row, clouds = own[place]
        yield {"case": row["case"], "contrast": f"{name}, {share:.0%} hidden"}, _views(*clouds, within)


def _views(whole: Tensor, hidden: Tensor, made: Tensor, within: float) -> dict[str, np.ndarray]:
    away = nearest_squared(made.unsqueeze(0), whole.unsqueeze(0))[0][0].sqrt().cpu().numpy()
    given, gone, cloud = (each.cpu().numpy() for each in (whole[~hidden], whole[hidden], made))
    middle = whole.mean(dim=0).cpu().numpy()
    frame: dict[str, Any] = {"middle": middle, "reach": 1.05 * float(np.abs(whole.cpu().numpy() - middle).max())}
    return {
        "given": drawn([(given, np.array(GIVEN))], **frame),
        "hidden": drawn([(gone, np.array(HIDDEN))], **frame),
        "completed": drawn([(cloud, np.array(MADE))], **frame),
        "distance": drawn([(cloud, by_distance(away, limit=4 * within))], **frame),
    }


def _write(out: Path, rows: Sequence[Mapping[str, Any]], record: Mapping[str, Any]) -> None:
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows({k: f"{v:.5g}" if isinstance(v, float) else v for k, v in row.items()} for row in rows)
    write_text(out / SCORES, text.getvalue())
    write_text(out / RECORD, json.dumps(record, indent=2))
