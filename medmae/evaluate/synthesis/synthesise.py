"""Missing contrasts of whole cases: NIfTI in, NIfTI on the same grid out, marked as synthetic."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

import numpy as np
import torch

from medmae.data.volumes.cases import StoredCase, VolumeCases
from medmae.errors import check_choice
from medmae.evaluate.leakage import subjects_seen
from medmae.evaluate.loop import each_volume
from medmae.evaluate.provenance import describe_uncertainty, describe_weights, provenance, recorded_versions
from medmae.evaluate.synthesis.calibration_file import FittedSpread, read_calibration
from medmae.evaluate.synthesis.network import Synthesiser
from medmae.evaluate.synthesis.plan import check_targets, known_intensities, plan_any, plan_pair
from medmae.evaluate.synthesis.synthetic_files import Dtype, Kind, Result, write_results
from medmae.methods.mt_unet import MTUNet
from medmae.weights.about import task_in

log = logging.getLogger(__name__)


class VolumeSynthesis:
    """Makes missing contrasts of every case.

    For each it writes ``<case>_desc-synthetic<TARGET>.nii.gz`` with the shape, affine, codes, zooms and units of the
    source, a ``.json`` of the same name that tells where it comes from, and with ``uncertainty`` also
    ``<case>_desc-uncertainty<TARGET>.nii.gz`` and ``.json``: the absolute error to expect, from the standard deviation
    over flips and quarter turns, whose mean is then the image. Without a calibration that deviation itself is written,
    as ``<case>_desc-uncalibrated<TARGET>``. A case leaves all of its files or none, and none that an earlier run made
    of the same target. At the end the log tells which cases had the target already, and whom training saw.

    Args:
        method: The trained network.
        cases: What to read; its contrasts are the source of a network of pairs, or all channels of an any-to-any one.
        output_dir: Receives the files.
        targets: What to make. A network of pairs makes one; an any-to-any network makes these even where a case has
            them (it does not see them then), or, with None, all that a case lacks.
        remake: Whether a network of pairs makes its target of a case that has it, too; such cases are passed over else.
        weights: The file that ``method`` was loaded from; its hash is recorded, and the ``run.json`` beside it or in
            the folder above tells whom training saw.
        target_intensity: ``target_intensity.json`` of the model, which gives images the intensities that the target
            usually has; without it they lie in [0, 1]. The file ``weights`` themselves, if their header tells them.
        dtype: ``float32``, or ``int16`` with a slope: half the size, steps of 1 / 32767 of the largest value.
        uncertainty: Whether to look from all sides; eight times the work.
        calibration: ``calibration.json`` of the model: what error a spread means, measured on validation subjects. If
            there is no such file, or with None, spreads are uncalibrated.
        smooth: Standard deviation, in slices, of a Gaussian along the slice axis of images; 0 leaves them as they are.
        overlap: Of neighbouring crops of a 3-d network.
        batch_size: Slices or crops at once.
        device: Where to compute.
        config: What a reader should know of the settings, such as the preset and the seed of training. Nothing in
            synthesis is random.
    """

    def __init__(
        self,
        *,
        method: MTUNet,
        cases: VolumeCases,
        output_dir: str | Path,
        targets: Sequence[str] | None = None,
        remake: bool = False,
        weights: str | Path | None = None,
        target_intensity: str | Path | None = None,
        dtype: Dtype = "float32",
        uncertainty: bool = False,
        calibration: str | Path | None = None,
        smooth: float = 0.0,
        overlap: float = 0.5,
        batch_size: int = 16,
        device: torch.device | str = "cpu",
        config: Mapping[str, Any] | None = None,
    ) -> None:
        check_choice(dtype, get_args(Dtype), name="dtype")
        self.method, self.cases, self.output_dir = method, cases, Path(output_dir)
        self.synthesiser = Synthesiser.of(method, device=device, batch_size=batch_size, smooth=smooth, overlap=overlap)
        self.targets = check_targets(targets, contrasts=cases.contrasts, num_contrasts=method.num_contrasts)
        self.remake = remake
        made = self.targets or cases.contrasts
        told = task_in(weights).get("target_intensity") if weights == target_intensity and weights else None
        self.intensities = known_intensities(target_intensity, targets=made, record=told)
        self.dtype: Dtype = dtype
        self.uncertainty = uncertainty
        self.calibration = _calibration(calibration, weights=weights) if uncertainty else None
        self.promise = describe_uncertainty(self.calibration, path=calibration)
        self.seen = frozenset(subjects_seen(Path(weights).parent) if weights else ())
        self.about = {
            "weights": describe_weights(weights),
            "network": {
                "type": type(method).__name__,
                "size": list(method.frame.size),
                "resized": method.frame.resize,
                "neighbours": method.neighbours,
                "contrasts": list(cases.contrasts) if method.num_contrasts else None,
            },
            "settings": {"uncertainty": uncertainty, "smooth": smooth, "overlap": overlap, "dtype": dtype},
            "config": dict(config or {}),
            "versions": recorded_versions(),
        }

    def run(self) -> None:
        """Works through all cases; see :func:`medmae.evaluate.loop.each_volume`."""
        self.complete: list[str] = []  # cases that have every target
        self.trained_on: list[str] = []  # cases of subjects whom training saw
        try:
            each_volume(
                self.cases,
                self._write,
                method=self.method,
                batch_size=self.synthesiser.batch_size,
                output_dir=self.output_dir,
                description="Synthesising",
                lost=self.cases.lost,
            )
        finally:
            self._report()

    def _write(self, case: StoredCase) -> None:
        targets, given = self._plan(case)
        if not targets:
            self.complete.append(case.name)
            return
        if case.subject in self.seen:
            self.trained_on.append(case.name)
        images, spreads = self._synthesise(case, given)  # (S, C', H, W)
        sources = tuple(name for name, yes in zip(case.contrasts, given, strict=True) if yes)
        results: list[Result] = []
        for target in targets:
            channel = case.contrasts.index(target) if self.method.num_contrasts else 0
            to = self.intensities[target] if self.intensities else None
            run = {**self.about, "subject_in_training": case.subject in self.seen if self.seen else "unknown"}
            about = provenance(case, target=target, sources=sources, intensity=to, run=run)
            results.append(Result.image(images[:, channel], target=target, to=to, about=about))
            if spreads is not None:
                about = {**about, "uncertainty": self.promise}
                kind: Kind = "uncalibrated" if self.calibration is None else "uncertainty"
                results.append(Result.spread(spreads[:, channel], kind=kind, target=target, to=to, about=about))
        write_results(results, case=case.name, grid=case.grid, folder=self.output_dir, dtype=self.dtype)

    def _report(self) -> None:
        """Logs what a user may not expect."""
        if self.complete:
            more = "" if self.method.num_contrasts or self.remake else "; --remake true makes it nevertheless"
            log.warning(
                "%d of %d cases have the target already and were passed over: %s%s",
                len(self.complete),
                len(self.cases),
                ", ".join(self.complete),
                more,
            )
        if self.trained_on:
            log.warning(
                "%d cases are of subjects whom training saw, and tell nothing of new patients: %s",
                len(self.trained_on),
                ", ".join(self.trained_on),
            )

    def _plan(self, case: StoredCase) -> tuple[tuple[str, ...], np.ndarray]:
        """What to make of a case, and which channels the network sees, ``(C,)`` bool."""
        if self.method.num_contrasts:
            return plan_any(case, targets=self.targets)
        assert self.targets is not None
        return plan_pair(case, target=self.targets[0], remake=self.remake)

    def _synthesise(self, case: StoredCase, given: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """Images and, if asked for, spreads, ``(S, C', H, W)`` each, in [0, 1]."""
        volume = case.array * given[:, None, None]
        told = given if self.method.num_contrasts else None
        images, spreads = self.synthesiser.images(volume, given=told, spread=self.uncertainty, case=case.name)
        return images, None if spreads is None else self._as_error(spreads, volume)

    def _as_error(self, spread: np.ndarray, volume: np.ndarray) -> np.ndarray:
        """The error to expect of a spread where that is known; the background, which nothing is made of, has none."""
        if self.calibration is None:
            return spread
        inside = volume.any(axis=1, keepdims=True)  # (S, 1, H, W)
        return np.where(inside, self.calibration.calibration(spread), 0).astype(np.float32)


def _calibration(path: str | Path | None, *, weights: str | Path | None) -> FittedSpread | None:
    """What the model's spreads mean; None, said aloud, where nobody measured it."""
    if path is not None and Path(path).is_file():
        return read_calibration(path, weights=weights)
    log.warning(
        "there is no calibration of these weights: the spread is written as it comes, marked as uncalibrated; "
        "training with --uncertainty true measures it on validation subjects"
    )
    return None
