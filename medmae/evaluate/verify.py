"""Whether files are still those that were written: what disks and copies flip, no reader of pixels can see."""

from __future__ import annotations

from pathlib import Path

from medmae.data.manifest import NAME, Manifest
from medmae.data.rows import files_of
from medmae.errors import DataError
from medmae.evaluate.leakage import RECORD
from medmae.files import read_object, sha256_of


def verify_folder(folder: str | Path) -> str:
    """Compares every file of a prepared data set, or the weights of a run, with the hash that is recorded of it.

    Args:
        folder: With a ``manifest.jsonl`` or a ``run.json``.

    Returns:
        What was compared, for a person.

    Raises:
        DataError: With every file that is missing or differs; or if the folder has neither record.
    """
    folder = Path(folder)
    if (folder / NAME).is_file():
        manifest = Manifest.read(folder, verify=True)
        files = {shard for row in manifest for shard, _ in files_of(row)}
        return f"{len(files)} files of {len(manifest)} cases are what was written: {folder}"
    if not (folder / RECORD).is_file():
        raise DataError(
            f"there is neither {NAME} nor {RECORD} here",
            path=folder,
            remedy="name the folder that `medmae prep` or a training wrote",
        )
    return _verify_weights(folder)


def _verify_weights(folder: Path) -> str:
    remedy = "take the weights from a copy, or train again"
    record = read_object(folder / RECORD, remedy=remedy, fields=("hashes", "paths"))
    recorded = Path(record["paths"]["model_dir"])
    models = recorded if recorded.is_dir() else folder / "models"  # of a run that was moved
    faults = [
        f"{name} {'differs' if (models / name).is_file() else 'is missing'}"
        for name, sha256 in record["hashes"].items()
        if not (models / name).is_file() or sha256_of(models / name) != sha256
    ]
    if faults:
        raise DataError("; ".join(faults), path=models, field="sha256", value=len(faults), remedy=remedy)
    return f"{len(record['hashes'])} weight files are what was written: {models}"
