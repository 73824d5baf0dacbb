"""Cases for inference: the wanted contrasts of each, read, turned, cropped and normalised as in preparation."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from medmae.data.left_out import barren, damaged_in, nothing_in, spoken
from medmae.data.origin import Origin
from medmae.data.volumes.case import Case
from medmae.data.volumes.grid import Grid
from medmae.data.volumes.hounsfield import CTWindow, fitted, in_hounsfield, is_ct
from medmae.data.volumes.intensity import Normalisation, Rule
from medmae.data.volumes.label_like import refuse_labels
from medmae.data.volumes.layouts import Found, Layout, cases_of, find_cases
from medmae.data.volumes.nifti import NanPolicy, Volume
from medmae.data.volumes.nifti_header import Repair
from medmae.data.volumes.one_grid import check_one_grid, content_box
from medmae.data.volumes.origin import declared_origin
from medmae.data.volumes.volume_file import Source, load_source
from medmae.errors import DataError
from medmae.reading import LIMIT_GB

MARGIN = 2  # voxels kept around the content, as preparation does by default


@dataclass(frozen=True, kw_only=True)
class StoredCase:
    """A case as a network reads it, with all that is needed to write a result back.

    Attributes:
        name: Of the case, such as ``sub-01_ses-02``.
        subject: Of whom.
        there: Names of all contrasts that the case has, also of those that nobody asked for.
        contrasts: C names of the channels.
        array: ``(S, C, H, W)`` float32 in [0, 1], LPS, cropped to the content; 0 where the case lacks a contrast.
        grid: Where it lies in the sources.
        normalisations: How intensities were mapped, of each contrast that is there.
        files: Name and sha256 of the file of each contrast that is there.
        origin: What its files declare of their subject's origin, if anything.
    """

    name: str
    subject: str
    there: frozenset[str]
    contrasts: tuple[str, ...]
    array: np.ndarray
    grid: Grid
    normalisations: Mapping[str, Normalisation]
    files: Mapping[str, tuple[str, str]]
    origin: Origin | None = None

    @property
    def available(self) -> np.ndarray:
        """Which contrasts the case has, ``(C,)`` bool."""
        return np.array([name in self.normalisations for name in self.contrasts])


class VolumeCases:
    """The cases of a folder (searched through), of a CSV, of a list of NIfTI files, or a single file.

    File and folder names tell subject, session and contrast, or a CSV does (``subject,session,contrast,path``); see
    :mod:`medmae.data.volumes.layouts`. In a list, or alone, a file whose name tells no contrast is taken for the only
    one that is wanted, if it is one. Synthetic images are passed over.

    Args:
        source: Folder, ``.csv``, file, or files.
        contrasts: Channels of the network, in order.
        at_least: How many of them a case must have; None asks for all.
        layout: How a folder is read; see :func:`medmae.data.volumes.layouts.find_cases`.
        nan: What to do with NaN voxels; see :func:`medmae.data.volumes.nifti.load_volume`.
        background: How background is found; see :meth:`medmae.data.volumes.intensity.Normalisation.fit`.
        repair_affine: ``"qform"`` replaces an unusable sform.
        limit_gb: Largest uncompressed volume, in 10^9 bytes.

    Attributes:
        lost: Why damaged files, and folders of patients, give nothing.
        ct_window: By which CT is scaled; weights tell it. None scales CT by percentiles, as everything else.

    Raises:
        DataError: If there is no volume, or two cases of one name would overwrite each other's results.
    """

    def __init__(
        self,
        *,
        source: str | Path | Sequence[str | Path],
        contrasts: Sequence[str],
        at_least: int | None = None,
        layout: Layout = "auto",
        nan: NanPolicy = "error",
        background: Rule = "auto",
        repair_affine: Repair | None = None,
        limit_gb: float = LIMIT_GB,
    ) -> None:
        self.contrasts = tuple(contrasts)
        self.at_least = len(self.contrasts) if at_least is None else at_least
        if isinstance(contrasts, str) or not 1 <= self.at_least <= len(self.contrasts):
            raise ValueError(
                f"contrasts is a list of names, and at_least a number of them, got {contrasts}, {at_least}"
            )
        self.ct_window: CTWindow | None = None
        self.nan, self.background, self.repair_affine, self.limit_gb = nan, background, repair_affine, limit_gb
        found = _find(source, layout, unnamed=self.contrasts[0] if len(self.contrasts) == 1 else None)
        self.cases, self.lost = found.cases, _told(source, found)
        _check_names(self.cases)

    def __len__(self) -> int:
        return len(self.cases)

    def __iter__(self) -> Iterator[StoredCase]:
        return (self[index] for index in range(len(self)))

    def __getitem__(self, index: int) -> StoredCase:
        """Reads one case.

        Raises:
            DataError: For whatever is wrong with it: a contrast missing, on another grid, constant, damaged, ...
        """
        case = self.cases[index]
        sources = self._sources(case)
        volumes = {name: self._load(source) for name, source in sources.items()}
        check_one_grid(volumes, {}, case=case.case, paths={name: source.path for name, source in sources.items()})
        scaling: dict[str, Any] = {"window": self.ct_window, "rule": self.background}
        fits = {name: fitted(volume, contrast=name, **scaling) for name, volume in volumes.items()}
        for name, fit in fits.items():
            _refuse_constant(fit, sources[name].path)
        grid = next(iter(volumes.values())).grid
        content = [volume.array != fits[name].background for name, volume in volumes.items()]
        grid = grid.cropped(content_box(grid, content, margin=MARGIN))
        S, H, W = grid.stored_shape
        array = np.zeros((S, len(self.contrasts), H, W), dtype=np.float32)
        for name, volume in volumes.items():
            array[:, self.contrasts.index(name)] = fits[name].apply(grid.to_canonical(volume.array))
        return StoredCase(
            name=case.case,
            subject=case.subject,
            there=frozenset(source.name for source in case.contrasts),
            contrasts=self.contrasts,
            array=array,
            grid=grid,
            normalisations=fits,
            files={name: (sources[name].path.name, volume.sha256) for name, volume in volumes.items()},
            origin=declared_origin(sources.values()),
        )

    def _load(self, source: Source) -> Volume:
        volume = load_source(source, nan=self.nan, limit_gb=self.limit_gb, repair_affine=self.repair_affine)
        if not source.said:
            refuse_labels(volume.array, path=source.first)
        if self.ct_window is None or not is_ct(source.name):
            return volume
        return in_hounsfield(volume, path=source.path, required=True)

    def _sources(self, case: Case) -> dict[str, Source]:
        """The files of the wanted contrasts, in the order of the channels."""
        # What nobody asked for is no fault here.
        if lost := next((one for one in case.lost if one.name in self.contrasts), None):
            raise lost.error
        there = {source.name: source for source in case.contrasts}
        wanted = {name: there[name] for name in self.contrasts if name in there}
        if len(wanted) < self.at_least:
            missing = [name for name in self.contrasts if name not in there]
            what = ", ".join(missing) if self.at_least == len(self.contrasts) else " or ".join(missing)
            raise DataError(
                f"case {case.case} has no {what}",
                path=case.contrasts[0].path.parent if case.contrasts else None,
                field="contrasts",
                value=sorted(there),
                remedy="give its file, or name the files in a CSV: subject,session,contrast,path",
            )
        return wanted


def _find(source: str | Path | Sequence[str | Path], layout: Layout, *, unnamed: str | None) -> Found:
    if not isinstance(source, str | Path):
        return cases_of(source, unnamed=unnamed)
    path = Path(source)
    if path.is_dir() or path.suffix.lower() == ".csv":
        return find_cases(path, layout=layout, strict=False)
    return cases_of([path], unnamed=unnamed)


def _told(source: str | Path | Sequence[str | Path], found: Found) -> list[DataError]:
    """Warns of what is left out; gives damaged files, and folders of patients that give nothing."""
    if not isinstance(source, str | Path):
        source = ", ".join(map(str, source[:3]))
    if found.left_out:
        warnings.warn(f"{source}: {'; '.join(spoken(found.left_out))}", stacklevel=4)
    owners = {file: case.subject for case in found.cases for file in case.files}
    empty = barren(Path(source), owners) if Path(source).is_dir() else []
    return [*damaged_in(found.left_out), *nothing_in(empty, found.left_out)]


def _check_names(cases: Sequence[Case]) -> None:
    names = [case.case for case in cases]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise DataError(
            "different cases have the same name, so their results would, too",
            field="case",
            value=twice,
            remedy="rename their subjects, or name them in a CSV: subject,session,contrast,path",
        )


def _refuse_constant(fit: Normalisation, path: Path) -> None:
    if fit.constant:
        raise DataError(
            "all voxels have one value: there is nothing to start from",
            path=path,
            field="voxels",
            value=fit.background,
            remedy="check the export of this file",
        )
