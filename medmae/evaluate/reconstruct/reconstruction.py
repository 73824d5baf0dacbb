"""How well hidden patches of held-out subjects are rebuilt, beside baselines, with pictures."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch

from medmae.errors import DataError, SomeFailedError
from medmae.evaluate.batches import each_batch
from medmae.evaluate.left_out import write_left_out
from medmae.evaluate.reconstruct.baselines import mean_fill_of, neighbour_fill_of
from medmae.evaluate.reconstruct.panels import Maps, Panels, choose
from medmae.evaluate.reconstruct.reconstruction_scores import PSNR, Errors, Figures, stems_of, summary_of, write_tables
from medmae.kinds import Kind
from medmae.methods.base import MaskedMethod, Method

log = logging.getLogger(__name__)


PANELS = 8  # rows of pictures


class DescribedDataset(Protocol):
    """A data set that can say whose item it gives."""

    def __len__(self) -> int:
        """Items."""

    def __getitem__(self, index: int) -> dict[str, Any]:
        """``{"image": (C, *size), ...}``, or other names that the method knows."""

    def describe(self, index: int) -> Mapping[str, Any]:
        """``case`` and ``subject`` of an item; also ``contrast``, ``slice`` or what else tells it from others."""


def evaluate_reconstruction(
    *,
    method: Method,
    dataset: DescribedDataset,
    out: str | Path,
    samples_per_case: int = 12,
    batch_size: int = 8,
    num_panels: int = PANELS,
    foreground: bool = True,
    device: torch.device | str = "cpu",
    seed: int = 0,
) -> dict[str, Figures]:
    """Masked-patch PSNR per case and contrast, a summary with intervals over subjects, and panels to look at.

    Errors are pooled over the hidden pixels of a case and contrast before taking decibels of a peak. Of a method
    that knows several kinds of data each is a contrast; what it is shown and does not rebuild is only in the panels.
    Decibels of kinds of other axes, units or peaks are never averaged: each has figures of its own.
    ``foreground`` columns count only hidden pixels with signal, so that empty background flatters nobody.

    Args:
        method: The trained method.
        dataset: Held-out samples.
        out: Receives ``reconstruction.csv``, ``summary.json``, ``panels.npz`` and ``panels.json``. Samples that cannot
            be read are warned of and listed in ``left_out.json``; the others are evaluated.
        samples_per_case: Slices, crops or tiles of each case and contrast, evenly spread.
        batch_size: Samples at once.
        num_panels: Rows of pictures, spread over cases and contrasts; whole samples, so that it may be a few more.
        foreground: False for data without a background of zeros, such as photographs.
        device: Where to compute.
        seed: Of the masks.

    Returns:
        The summary: mean, standard deviation, interval and number of subjects of each figure.

    Raises:
        DataError: If the method hides nothing or only what cannot be scored (points, words), the data set is empty, or
            nothing of it was hidden.
        SomeFailedError: If none of it can be read.
    """
    method = _require_scorable(method, _kinds(dataset))
    if not len(dataset):
        raise DataError("no held-out samples to evaluate on", remedy="put at least one subject in the test split")
    method.to(device).eval()
    generator = torch.Generator().manual_seed(seed)
    abouts = _spread(dataset, samples_per_case)
    errors, failed, panels = dict[tuple[str, str, str], Errors](), dict[int, str](), None
    batches = each_batch(
        dataset,
        numbers=list(abouts),
        device=device,
        batch_size=batch_size,
        left_out=failed,
        description="Evaluating",
    )
    for indices, batch in batches:
        parts = _reconstruct(method, batch, kinds=_kinds(dataset), generator=generator)
        if panels is None:
            panels = Panels(wanted=choose(abouts, count=-(-num_panels // len(parts))))
        for position, index in enumerate(indices):
            for part in parts.values():
                about = _about(abouts[index], part.kind.name, alone=len(method.kinds) == 1)
                _score(errors, panels, part, position, index=index, about=about, inside=foreground)
    write_left_out(out, failed, of=len(abouts))
    if panels is None:
        raise SomeFailedError(f"no held-out sample can be read: {next(iter(failed.values()))}")
    if not errors:
        raise DataError("nothing was hidden that the method rebuilds", remedy="hide more, or rebuild other outputs")
    alone, stems = len(method.kinds) == 1, stems_of(_scored(method, _kinds(dataset)))
    rows = [_row(key, found, PSNR if alone else stems[key[2]]) for key, found in sorted(errors.items())]
    summary = summary_of(rows, None if alone else stems)
    write_tables(Path(out), rows, summary)
    panels.write(Path(out))
    return summary


@dataclass(frozen=True)
class Part:
    """One kind of data of a batch.

    Attributes:
        kind: What it is.
        maps: ``input``, ``hidden`` and what is made of it, ``(B, C, *size)``.
    """

    kind: Kind
    maps: Maps


def _score(
    errors: dict[tuple[str, str, str], Errors],
    panels: Panels,
    part: Part,
    position: int,
    *,
    index: int,
    about: Mapping[str, Any],
    inside: bool,
) -> None:
    """Adds one kind of data of one sample to the errors and pictures; nothing if none of it was hidden."""
    maps, peak = part.maps, part.kind.peak or 1.0
    if not maps["hidden"][position].any():
        return
    figures: Mapping[str, float] = {}
    if "model" in maps:
        key = (str(about["case"]), str(about["subject"]), str(about["contrast"]))
        errors.setdefault(key, Errors(foreground=inside, peak=peak)).add(maps, position)
        figures = Errors(foreground=inside, peak=peak).add(maps, position).figures() if panels.wants(index) else {}
    if panels.wants(index):
        panels.add(index, about={**about, **figures}, kind=part.kind, maps=maps, position=position)


@torch.no_grad()
def _reconstruct(
    method: MaskedMethod, batch: Maps, *, kinds: Mapping[str, Kind], generator: torch.Generator
) -> dict[str, Part]:
    """Each kind of data by its name, with other aspects of it; ``kinds`` is what the data says of itself."""
    shown, parts = method.show(batch, method.draw_masks(batch, generator=generator)), dict[str, Part]()
    for name, one in shown.items():
        kind = one.kind.measured(kinds.get(name))
        if one.beside is not None or _why_not(kind):
            continue
        image = one.given
        hidden = one.hidden & batch["real"] if "real" in batch else one.hidden  # nobody is graded on padding
        maps = {"input": image, "hidden": hidden}
        if one.made is not None:
            maps["model"], unknown = one.made, one.hidden | _unheard(kind, batch, one.hidden)
            maps["mean_fill"] = mean_fill_of(kind, image, unknown)
            maps["neighbour"] = neighbour_fill_of(kind, image, unknown)
        if one.by_patch is not None:
            maps["by_patch"] = one.by_patch
        for other, aspect in shown.items():
            if aspect.beside == name and aspect.made is not None:
                maps |= {f"{other}_target": aspect.given, f"{other}_prediction": aspect.made}
        parts[name] = Part(kind, maps)
    return parts


def _unheard(kind: Kind, batch: Maps, hidden: torch.Tensor) -> torch.Tensor:
    """Where there was no sound, as ``hidden``: what stands there is silence that nobody recorded, and fills nothing."""
    said = next((batch[name] for name in ("heard", "real") if name in batch), None)
    if said is None or "frequency" not in kind.roles or said.shape != hidden.shape:
        return torch.zeros_like(hidden)
    return ~said


def _why_not(kind: Kind) -> str | None:
    """Why errors of it, place by place and in decibels, mean nothing; None if they do."""
    if numbered := [role for role in kind.roles if role in ("point", "word")]:
        return f"a {numbered[0]} has no place of its own among others, so that no error of it is taken place by place"
    return None if kind.peak is not None else "it has no peak, which decibels are counted from"


def not_scorable(method: Method, kinds: Mapping[str, Kind] | None = None) -> str | None:
    """Why nothing that the method rebuilds can be scored, or None if something can.

    ``kinds`` is what the data says of itself, such as the peak of a spectrogram, which no network knows.
    """
    if not isinstance(method, MaskedMethod):
        return f"{type(method).__name__} hides nothing, so that it rebuilds nothing"
    if not method.rebuilds:
        return f"{type(method).__name__} rebuilds nothing of what it hides"
    reasons = _not_scored(method, kinds or {})
    return "; ".join(reasons.values()) if reasons.keys() == method.rebuilds else None


def _rebuilt(method: MaskedMethod, kinds: Mapping[str, Kind]) -> dict[str, Kind]:
    return {name: kind.measured(kinds.get(name)) for name, kind in method.kinds.items() if name in method.rebuilds}


def _not_scored(method: MaskedMethod, kinds: Mapping[str, Kind]) -> dict[str, str]:
    rebuilt = _rebuilt(method, kinds)
    return {name: f"{name} is not scored: {why}" for name, kind in rebuilt.items() if (why := _why_not(kind))}


def _scored(method: MaskedMethod, kinds: Mapping[str, Kind]) -> dict[str, Kind]:
    return {name: kind for name, kind in _rebuilt(method, kinds).items() if not _why_not(kind)}


def _kinds(dataset: object) -> Mapping[str, Kind]:
    return getattr(dataset, "kinds", {})


def _require_scorable(method: Method, kinds: Mapping[str, Kind]) -> MaskedMethod:
    """Refuses a method of which nothing can be scored, and says what of another cannot."""
    if reason := not_scorable(method, kinds):
        raise DataError(reason, remedy="evaluate its features: neighbours, a linear probe, few labels")
    assert isinstance(method, MaskedMethod)
    for reason in _not_scored(method, kinds).values():
        log.warning(reason)
    return method


def _about(about: Mapping[str, Any], name: str, *, alone: bool) -> dict[str, Any]:
    """What stands beside one kind of data of a sample: its own contrast if it is the only kind, else its name."""
    return {**about, "contrast": about.get("contrast", about.get("label", name)) if alone else name}


def _row(key: tuple[str, str, str], errors: Errors, stem: str) -> dict[str, Any]:
    return dict(zip(("case", "subject", "contrast"), key, strict=True), samples=errors.samples) | errors.figures(stem)


def _spread(dataset: DescribedDataset, per_case: int) -> dict[int, Mapping[str, Any]]:
    """Evenly spread samples of each case and contrast: number -> description."""
    cases: dict[tuple[str, str], list[int]] = {}
    abouts = {index: dataset.describe(index) for index in range(len(dataset))}
    for index, about in abouts.items():
        cases.setdefault((str(about["case"]), str(about.get("contrast"))), []).append(index)
    return {i: abouts[i] for members in cases.values() for i in _evenly(members, per_case)}


def _evenly(members: Sequence[int], count: int) -> list[int]:
    if len(members) <= count:
        return list(members)
    return [members[round((k + 0.5) * len(members) / count - 0.5)] for k in range(count)]
