"""The main job on little data: volumes, shards, pre-training as a bundle, evaluation, report."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from medmae.bundle.run import run_bundle
from medmae.errors import ExitCode

BUNDLE = "mr_edge_mae_pretraining"
CONFIG = "train,demo"


@dataclass(frozen=True)
class DemoResult:
    """What a demo made.

    Attributes:
        report: The page to open.
        exit_code: ``SOME_FAILED`` when a case was quarantined.
    """

    report: Path
    exit_code: ExitCode


def run_demo(
    *, out: Path, data: Path | None = None, resample_to: str | None = None, overrides: dict[str, object] | None = None
) -> DemoResult:
    """Prepares volumes, pre-trains Edge-MAE at demo size on them, evaluates it and writes the report.

    Args:
        out: Folder of everything that is made; what is prepared already is kept.
        data: Folder of volumes or a table, as for ``medmae prep mr``; None makes a cohort from the MNI maps.
        resample_to: Contrast onto whose grid a case's others are resampled.
        overrides: Of the bundle, as for ``medmae run``.

    Raises:
        DataError: If no case can be used.
        ModuleNotFoundError: If the embedded cohort is wanted and nilearn is missing.
    """
    from data_prep.mr import prepare
    from data_prep.mr_cohort import make_cohort

    source = data or make_cohort(out=out / "cohort")
    prepared = prepare(source=source, out=out / "prepared", resample_to=resample_to)
    settings = {"dataset_dir": str(out / "prepared"), "bundle_root": str(out), **(overrides or {})}
    home = run_bundle(BUNDLE, CONFIG, overrides=settings)
    return DemoResult(report=home / "report.html", exit_code=prepared.exit_code)
