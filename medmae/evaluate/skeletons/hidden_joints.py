"""How far from where they were hidden joints are rebuilt, beside what needs no network, and how that looks."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from medmae.data.evenly import evenly
from medmae.data.samples import Samples
from medmae.data.skeletons.gaps import filled
from medmae.data.skeletons.view import Skeletons
from medmae.data.views import About
from medmae.errors import DataError
from medmae.evaluate.batches import each_batch
from medmae.evaluate.left_out import write_left_out
from medmae.evaluate.reconstruct.panels import choose
from medmae.evaluate.statistics import summarise
from medmae.evaluate.tables import write_csv
from medmae.files import write_text
from medmae.kinds import Kind
from medmae.methods.base import MaskedMethod
from medmae.methods.shown import Shown
from medmae.report.moving import Moving

RECORD, ROWS, PICTURES = "hidden_joints.json", "hidden_joints.csv", "moving_skeletons.json"
MODEL, LINE, STILL = "model", "straight in time", "mean of training"
TOLD = "model told the mean and size of the whole"
GAIN = f"gain over {LINE}"
_LEARNT_FROM = 256  # training samples, of which the mean is taken


@torch.no_grad()
def evaluate_hidden_joints(
    *,
    method: MaskedMethod,
    held_out: Samples,
    train: Samples,
    out: str | Path,
    device: torch.device | str = "cpu",
    batch_size: int = 16,
    pictures: int = 4,
    worst: int = 2,
    seed: int = 0,
) -> dict[str, Any]:
    """Mean distance of hidden joints from where they were, in the unit of the data, over subjects.

    A network that knows sequences only as they are normalised is also scored with the true mean and deviation of the
    whole, which says how much of its error is these two. Beside it: ``straight in time``, from where a joint was last
    seen to where it is seen next, and where a joint is hidden at all times, and everywhere of ``mean of training``, the
    mean of that joint over training samples. Joints that were not seen by whoever recorded them count nowhere.

    Args:
        method: That hides joints and rebuilds them.
        held_out: Skeletons.
        train: Those that it learnt from.
        out: Receives ``hidden_joints.json``, ``hidden_joints.csv`` (a row a sample) and ``moving_skeletons.json``.
        device: Where to compute.
        batch_size: Samples at once.
        pictures: How many samples to draw, of different subjects and classes.
        worst: How many more, those with the largest errors.
        seed: Of what is hidden.

    Returns:
        What ``hidden_joints.json`` holds.

    Raises:
        DataError: If nothing can be read, or the method rebuilds no skeleton.
    """
    assert isinstance(held_out.view, Skeletons)
    method.to(device).eval()
    generator, failed = torch.Generator().manual_seed(seed), dict[int, str]()
    abouts = {number: held_out.describe(number) for number in range(len(held_out))}
    names, still = held_out.view.joint_names(held_out.source), _mean_of(train)
    seen = _Seen(held_out.kinds["skeleton"], choose(abouts, count=pictures), worst, joints=len(names))
    for numbers, batch in each_batch(held_out, device=device, batch_size=batch_size, left_out=failed):
        shown = method.show(batch, method.draw_masks(batch, generator=generator))["skeleton"]
        if shown.made is None:
            raise DataError("the method rebuilds no skeleton", remedy="train it with another target than motion")
        hidden = (shown.hidden & batch["real"] if "real" in batch else shown.hidden)[:, 0].cpu().numpy()  # (B, T, V)
        apart = distances(shown, still)
        for place, number in enumerate(numbers):
            seen.add(number, abouts[number], shown, hidden[place], place, {n: d[place] for n, d in apart.items()})
    write_left_out(out, failed, of=len(held_out))
    if not seen.rows:
        raise DataError("no hidden joint could be looked at", remedy="hide some, and prepare data that can be read")
    record = _record(seen.rows, seen.joints, names, seen.kind.unit)
    write_csv(Path(out) / ROWS, seen.rows)
    write_text(Path(out) / RECORD, json.dumps(record, indent=2))
    write_text(Path(out) / PICTURES, json.dumps({"skeletons": seen.pictures(abouts)}, separators=(",", ":")))
    return record


class _Seen:
    """Errors of samples and of joints, and the samples that will be drawn: those wanted, and the worst others."""

    def __init__(self, kind: Kind, wanted: Sequence[int], worst: int, *, joints: int) -> None:
        self.kind, self.wanted, self.worst = kind, wanted, worst
        self.rows: list[dict[str, Any]] = []
        self.joints = {name: np.zeros((2, joints)) for name in (MODEL, LINE)}  # sums and counts
        self.drawn: dict[int, Moving] = {}

    def add(
        self, number: int, about: About, shown: Shown, hidden: np.ndarray, place: int, apart: Mapping[str, np.ndarray]
    ) -> None:
        """One sample: which joints were hidden ``(T, V)``, and how far each was off, by what found it."""
        if not hidden.any():
            return
        errors = {name: float(values[hidden].mean()) for name, values in apart.items()}
        self.rows.append({"sample": number, "case": about.case, "subject": about.subject, **errors})
        for name, sums in self.joints.items():
            sums += np.stack([(apart[name] * hidden).sum(axis=0), hidden.sum(axis=0)])
        if self.kind.axes[1].links:
            assert shown.made is not None
            given, made = (each[place].cpu().numpy() for each in (shown.given, shown.made))
            self.drawn[number] = Moving.of(self.kind, given, made, hidden)
            self._forget()

    def pictures(self, abouts: Mapping[int, About]) -> list[dict[str, Any]]:
        """What is drawn, the worst last."""
        by_error = {row["sample"]: row[MODEL] for row in self.rows}
        others = sorted(self.drawn.keys() - set(self.wanted), key=lambda number: -by_error[number])
        return [
            {
                "case": abouts[number].case,
                "label": abouts[number].label,
                "error": by_error[number],
                "worst": number not in self.wanted,
                **self.drawn[number].as_json(),
            }
            for number in (*(number for number in self.wanted if number in self.drawn), *others)
        ]

    def _forget(self) -> None:
        others = sorted((row for row in self.rows if row["sample"] not in self.wanted), key=lambda row: -row[MODEL])
        kept = {row["sample"] for row in others[: self.worst]} | set(self.wanted)
        for number in self.drawn.keys() - kept:
            del self.drawn[number]


def distances(shown: Shown, still: np.ndarray) -> dict[str, np.ndarray]:
    """Of every joint and frame ``(B, T, V)``, of the network and of what needs none.

    Args:
        shown: What was given, hidden and made, ``(B, C, T, V)``.
        still: Mean of training, ``(C, T, V)``.
    """
    assert shown.made is not None
    given, made, hidden = (each.float().cpu().numpy() for each in (shown.given, shown.made, shown.hidden.float()))
    seen = hidden[:, 0] == 0  # (B, T, V)
    line = np.stack([filled(one.transpose(1, 2, 0), own) for one, own in zip(given, seen, strict=True)])
    line = line.transpose(0, 3, 1, 2)  # (B, C, T, V)
    never = ~seen.any(axis=1)[:, None, None]  # (B, 1, 1, V)
    told = {} if shown.by_patch is None else {TOLD: shown.by_patch.float().cpu().numpy()}
    guesses = {MODEL: made, **told, LINE: np.where(never, still, line), STILL: np.broadcast_to(still, given.shape)}
    return {name: np.linalg.norm(guess - given, axis=1) for name, guess in guesses.items()}


def _mean_of(train: Samples) -> np.ndarray:
    """Of training samples, ``(C, T, V)``."""
    some = [train[int(number)]["skeleton"] for number in evenly(len(train), _LEARNT_FROM)]
    mean: Tensor = torch.stack(some).mean(dim=0)
    return mean.numpy()


def _record(
    rows: Sequence[Mapping[str, Any]], joints: Mapping[str, np.ndarray], names: Sequence[str], unit: str
) -> dict[str, Any]:
    subjects = [row["subject"] for row in rows]
    scores = {
        name: summarise([row[name] for row in rows], subjects).as_dict()
        for name in (MODEL, TOLD, LINE, STILL)
        if name in rows[0]
    }
    scores[GAIN] = summarise([row[LINE] - row[MODEL] for row in rows], subjects).as_dict()
    means = {name: sums[0] / np.maximum(sums[1], 1) for name, sums in joints.items()}
    each = [
        {"joint": name, **{key: float(values[number]) for key, values in means.items()}}
        for number, name in enumerate(names)
        if joints[MODEL][1, number]
    ]
    return {"unit": unit, "samples": len(rows), "scores": scores, "joints": each}
