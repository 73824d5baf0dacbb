"""Missing contrasts of whole cases: NIfTI in, NIfTI on the same grid out, marked as synthetic."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

import numpy as np
import torch

from medmae.data.cases import StoredCase, VolumeCases
from medmae.data.intensity import Normalisation
from medmae.data.target_intensity import read_target_intensities
from medmae.errors import DataError, check_choice
from medmae.evaluate.loop import each_volume
from medmae.evaluate.provenance import describe_weights, provenance, recorded_versions
from medmae.evaluate.synthetic_files import Dtype, Result, write_results
from medmae.evaluate.volume_synthesis import Network, synthesise_volume, uncertainty_volume
from medmae.methods.mt_unet import MTUNet

log = logging.getLogger(__name__)


class VolumeSynthesis:
    """Makes missing contrasts of every case.

    For each it writes ``<case>_desc-synthetic<TARGET>.nii.gz`` with the shape, affine, codes, zooms and units of the
    source, a ``.json`` of the same name that tells where it comes from, and with ``uncertainty`` also
    ``<case>_desc-uncertainty<TARGET>.nii.gz`` and ``.json``: the standard deviation over flips and quarter turns, whose
    mean is then the image. A case leaves all of its files or none.

    Args:
        method: The trained network.
        cases: What to read; its contrasts are the source of a network of pairs, or all channels of an any-to-any one.
        output_dir: Receives the files.
        targets: What to make. A network of pairs makes one; an any-to-any network makes these even where a case has
            them (it does not see them then), or, with None, all that a case lacks.
        weights: The file that ``method`` was loaded from; its hash is recorded.
        target_intensity: ``target_intensity.json`` of the model, which gives images the intensities that the target
            usually has; without it they lie in [0, 1].
        dtype: ``float32``, or ``int16`` with a slope: half the size, steps of 1 / 32767 of the largest value.
        uncertainty: Whether to look from all sides; eight times the work.
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
        weights: str | Path | None = None,
        target_intensity: str | Path | None = None,
        dtype: Dtype = "float32",
        uncertainty: bool = False,
        smooth: float = 0.0,
        overlap: float = 0.5,
        batch_size: int = 16,
        device: torch.device | str = "cpu",
        config: Mapping[str, Any] | None = None,
    ) -> None:
        check_choice(dtype, get_args(Dtype), name="dtype")
        self.method, self.cases, self.output_dir = method.to(device).eval(), cases, Path(output_dir)
        self.targets = _checked_targets(targets, contrasts=cases.contrasts, num_contrasts=method.num_contrasts)
        self.intensities = _intensities(target_intensity, targets=self.targets or cases.contrasts)
        self.dtype: Dtype = dtype
        self.uncertainty, self.smooth, self.overlap = uncertainty, smooth, overlap
        self.batch_size, self.device = batch_size, device
        self.about = {
            "weights": describe_weights(weights),
            "network": {
                "type": type(method).__name__,
                "size": list(method.patches.size),
                "neighbours": method.neighbours,
                "contrasts": list(cases.contrasts) if method.num_contrasts else None,
            },
            "settings": {"uncertainty": uncertainty, "smooth": smooth, "overlap": overlap, "dtype": dtype},
            "config": dict(config or {}),
            "versions": recorded_versions(),
        }

    def run(self) -> None:
        """Works through all cases; see :func:`medmae.evaluate.loop.each_volume`."""
        each_volume(
            self.cases,
            self._write,
            method=self.method,
            batch_size=self.batch_size,
            output_dir=self.output_dir,
            description="Synthesising",
        )

    def _write(self, case: StoredCase) -> None:
        targets, given = self._plan(case)
        if not targets:
            log.info("case %s has every contrast: nothing to make", case.name)
            return
        images, spreads = self._synthesise(case, given)  # (S, C', H, W)
        sources = tuple(name for name, yes in zip(case.contrasts, given, strict=True) if yes)
        results: list[Result] = []
        for target in targets:
            channel = case.contrasts.index(target) if self.method.num_contrasts else 0
            to = self.intensities[target] if self.intensities else None
            about = provenance(case, target=target, sources=sources, intensity=to, run=self.about)
            results.append(Result.image(images[:, channel], target=target, to=to, about=about))
            if spreads is not None:
                results.append(Result.spread(spreads[:, channel], target=target, to=to, about=about))
        write_results(results, case=case.name, grid=case.grid, folder=self.output_dir, dtype=self.dtype)

    def _plan(self, case: StoredCase) -> tuple[tuple[str, ...], np.ndarray]:
        """What to make of a case, and which channels the network sees, ``(C,)`` bool."""
        if not self.method.num_contrasts:
            assert self.targets is not None
            return self.targets, case.available
        missing = tuple(name for name, there in zip(case.contrasts, case.available, strict=True) if not there)
        targets = missing if self.targets is None else self.targets
        given = case.available & np.array([name not in targets for name in case.contrasts])
        if not given.any():
            raise DataError(
                f"case {case.name} has nothing but what is to be made",
                field="targets",
                value=list(targets),
                remedy="give another contrast of the case, or ask for fewer targets",
            )
        return targets, given

    def _synthesise(self, case: StoredCase, given: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """Images and, if asked for, spreads, ``(S, C', H, W)`` each, in [0, 1]."""
        volume = case.array * given[:, None, None]
        options: dict[str, Any] = {
            "size": self.method.patches.size,
            "neighbours": self.method.neighbours,
            "overlap": self.overlap,
            "smooth": self.smooth,
            "batch_size": self.batch_size,
            "device": self.device,
        }
        spreads = None
        if self.uncertainty:
            images, spreads = uncertainty_volume(self._network(given), volume, **options)
        else:
            images = synthesise_volume(self._network(given), volume, **options)
        if not np.isfinite(images).all():
            raise DataError(
                "the network gives NaN or infinite values",
                field="case",
                value=case.name,
                remedy="check the weights; training may have diverged",
            )
        return images, spreads

    def _network(self, given: np.ndarray) -> Network:
        """The method as a function of images alone."""
        if not self.method.num_contrasts:
            return self.method.synthesise
        seen = torch.from_numpy(given).to(self.device)  # (C,)
        return lambda images: self.method.synthesise(images, seen.expand(len(images), -1))


def _checked_targets(
    targets: Sequence[str] | None, *, contrasts: tuple[str, ...], num_contrasts: int | None
) -> tuple[str, ...] | None:
    names = None if targets is None else tuple(targets)
    if isinstance(targets, str):
        raise ValueError(f"targets is a list of contrasts, got {targets!r}")
    if num_contrasts is None:
        if names is None or len(names) != 1 or len(contrasts) != 1 or names == contrasts:
            raise ValueError(f"a network of pairs makes one target of one other source, got {names} of {contrasts}")
    elif len(contrasts) != num_contrasts:
        raise ValueError(f"the network has {num_contrasts} contrasts, the cases are read for {contrasts}")
    elif names is not None and not (names and set(names) <= set(contrasts) and len(set(names)) == len(names)):
        raise ValueError(f"targets must be some of {contrasts}, each once, got {names}")
    return names


def _intensities(path: str | Path | None, *, targets: Sequence[str]) -> dict[str, Normalisation] | None:
    if path is None:
        return None
    known = read_target_intensities(path)
    unknown = [name for name in targets if name not in known]
    if unknown:
        raise DataError(
            f"it does not tell the intensities of {', '.join(unknown)}",
            path=path,
            field="contrasts",
            value=sorted(known),
            remedy="write it anew for all targets, or leave it out for intensities in [0, 1]",
        )
    return known
