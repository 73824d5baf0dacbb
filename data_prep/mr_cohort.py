"""The embedded default of ``make demo``: a synthetic BIDS cohort over the real MNI152 anatomy, without download."""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence as Items
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from rich.progress import track

from data_prep.mr_anatomy import Anatomy, lesion_mask, make_anatomy
from data_prep.mr_scanner import Scan, acquire, place_coils
from data_prep.mr_signal import CONTRASTS, SEQUENCES, TISSUES, Sequence, vary_sequence, vary_tissue
from data_prep.mr_template import Template, load_template
from medmae import __version__
from medmae.data.volumes.origin import SIMULATED
from medmae.errors import DataError
from medmae.files import atomic_write, write_text

_ANATOMY, _TISSUE, _LESIONS, _SCAN, _COILS = range(5)  # streams of random numbers: a contrast left out changes no other
_MNI152 = 4
_GENERATION = 2  # of the model of anatomy and scanner: what an earlier one made is another cohort
_COLUMNS = ("participant_id", "lesions", "lesion_volume_ml", "smallest_jacobian")


def make_cohort(
    *,
    out: str | Path,
    subjects: int = 12,
    seed: int = 0,
    contrasts: Items[str] = CONTRASTS,
    resolution_mm: float = 2.0,
    lesions: bool = True,
    progress: bool = True,
) -> Path:
    """Writes a cohort of skull-stripped, co-registered brain MR as BIDS; the same arguments give the same bytes.

    A folder that already holds this very cohort is left as it is; one that was begun is finished.

    Args:
        out: Folder to write; made if missing.
        subjects: 1 to 999.
        seed: Of everything random.
        contrasts: Some of ``T1``, ``T2``, ``FLAIR``, ``PD``.
        resolution_mm: Edge of a voxel, 1 to 6.
        lesions: Whether subjects have white matter lesions, and a mask file.
        progress: Whether to draw a progress bar.

    Returns:
        ``out``.

    Raises:
        ValueError: For arguments out of range.
        DataError: If the folder holds something else.
        ModuleNotFoundError: If nilearn is missing.
    """
    contrasts = _checked(subjects=subjects, seed=seed, contrasts=contrasts, resolution_mm=resolution_mm)
    out = Path(out)
    options = {
        "version": __version__,
        "generation": _GENERATION,
        "seed": seed,
        "subjects": subjects,
        "contrasts": list(contrasts),
        "resolution_mm": float(resolution_mm),
        "lesions": lesions,
    }
    if _is_complete(out, options):
        return out
    write_text(out / "dataset_description.json", _json(_description(options)))
    write_text(out / ".bidsignore", "*_mask.nii.gz\n")  # a mask beside its images is ours, not the standard's
    template = load_template(resolution_mm=resolution_mm)
    numbers = range(1, subjects + 1)
    rows = [
        _write_subject(out, number, template=template, options=options)
        for number in (track(numbers, description="Embedded cohort") if progress else numbers)
    ]
    # Written last: where this file is, the cohort is whole.
    write_text(out / "participants.tsv", "\n".join("\t".join(row) for row in (_COLUMNS, *rows)) + "\n")
    return out


def _checked(*, subjects: int, seed: int, contrasts: Items[str], resolution_mm: float) -> tuple[str, ...]:
    if not 1 <= subjects <= 999:
        raise ValueError(f"subjects must be 1 to 999, got {subjects}")
    if seed < 0:
        raise ValueError(f"seed must not be negative, got {seed}")
    if not 1 <= resolution_mm <= 6:
        raise ValueError(f"resolution_mm must be 1 to 6, got {resolution_mm}")
    unknown = [name for name in contrasts if name not in SEQUENCES]
    if not contrasts or unknown:
        raise ValueError(f"contrasts must be some of {CONTRASTS}, got {contrasts!r}")
    return tuple(name for name in CONTRASTS if name in contrasts)


def _is_complete(out: Path, options: dict[str, Any]) -> bool:
    """Whether the folder holds this cohort whole; raises if it holds anything else."""
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return False
    description = out / "dataset_description.json"
    found = json.loads(description.read_text()).get("SyntheticCohort") if description.is_file() else None
    if found != options:
        raise DataError(
            "the folder holds something other than the cohort asked for",
            path=out,
            field="SyntheticCohort",
            value=found,
            remedy="give an empty folder",
        )
    return (out / "participants.tsv").is_file()


def _write_subject(out: Path, number: int, *, template: Template, options: dict[str, Any]) -> tuple[str, ...]:
    """Makes and writes one subject; its row of ``participants.tsv``."""

    def stream(*key: int) -> np.random.Generator:
        return np.random.default_rng((options["seed"], number, *key))

    name, resolution = f"sub-{number:02d}", options["resolution_mm"]
    anatomy = make_anatomy(
        template,
        resolution_mm=resolution,
        rng=stream(_ANATOMY),
        lesion_rng=stream(_LESIONS) if options["lesions"] else None,
    )
    rng = stream(_TISSUE)
    tissues = {index: vary_tissue(tissue, rng) for index, tissue in TISSUES.items()}
    coils = place_coils(anatomy.mask, stream(_COILS))
    affine = template.affine @ np.diag([resolution, resolution, resolution, 1.0])
    folder = out / name / "anat"
    for contrast in options["contrasts"]:
        rng = stream(_SCAN, CONTRASTS.index(contrast))
        sequence = vary_sequence(SEQUENCES[contrast], rng)
        scan = acquire(anatomy, coils=coils, tissues=tissues, sequence=sequence, rng=rng)
        write_text(folder / f"{name}_{sequence.suffix}.json", _json(_sidecar(sequence, scan)))
        _write_nifti(folder / f"{name}_{sequence.suffix}.nii.gz", scan.array, affine)
    mask = lesion_mask(anatomy)
    if options["lesions"]:
        _write_nifti(folder / f"{name}_desc-lesion_mask.nii.gz", mask, affine)
    return _participant(name, anatomy, volume_ml=float(mask.sum()) * resolution**3 / 1000)


def _write_nifti(path: Path, array: np.ndarray, affine: np.ndarray) -> None:
    image = nib.Nifti1Image(array, affine)
    image.set_sform(affine, code=_MNI152)
    image.set_qform(affine, code=_MNI152)
    image.header.set_xyzt_units("mm")
    image.header["descrip"] = SIMULATED
    with atomic_write(path) as file:
        file.write(gzip.compress(image.to_bytes(), compresslevel=3, mtime=0))  # no time stamp: the same bytes


def _participant(name: str, anatomy: Anatomy, *, volume_ml: float) -> tuple[str, ...]:
    return name, str(anatomy.lesions), f"{volume_ml:.2f}", f"{anatomy.jacobian:.3f}"


def _sidecar(sequence: Sequence, scan: Scan) -> dict[str, Any]:
    """BIDS wants seconds."""
    inversion = {} if sequence.ti is None else {"InversionTime": sequence.ti / 1000}
    return {
        "MagneticFieldStrength": 3,
        "RepetitionTime": sequence.tr / 1000,
        "EchoTime": sequence.te / 1000,
        **inversion,
        "SkullStripped": True,
        "Synthetic": {"white_matter_snr": round(scan.snr, 1), "log_bias_sd": round(scan.bias, 3)},
    }


def _description(options: dict[str, Any]) -> dict[str, Any]:
    return {
        "Name": "medmae synthetic brain MR cohort",
        "BIDSVersion": "1.9.0",
        "DatasetType": "raw",
        "GeneratedBy": [{"Name": "medmae data_prep.mr_cohort", "Version": options["version"]}],
        "Acknowledgements": (
            "Synthetic subjects, no patient data: deformed ICBM 2009a nonlinear symmetric maps (Fonov et al., "
            "NeuroImage 54:313, 2011; copyright McConnell Brain Imaging Centre, McGill University), carried by nilearn"
        ),
        "SyntheticCohort": options,
    }


def _json(content: dict[str, Any]) -> str:
    return json.dumps(content, indent=2) + "\n"
