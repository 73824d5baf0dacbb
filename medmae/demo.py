"""The main job on little data: volumes, shards, pre-training, a missing contrast synthesised, reports of both."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path
from typing import TYPE_CHECKING

from medmae.bundle.run import run_bundle
from medmae.errors import ExitCode
from medmae.evaluate.tables import write_csv
from medmae.packages import own_data_prep

if TYPE_CHECKING:
    from medmae.data.manifest import Manifest

PRETRAINING, SYNTHESIS = "mr_edge_mae_pretraining", "mr_mt_unet_synthesis"
CONFIG = "train,demo"
_NETWORK = {"method::_target_": "medmae.methods.mt_unet.mt_unet_demo", "neighbours": 3}  # as its demo.yaml has it
_LIKED = ("T1", "T2")  # the pair of most papers, where a data set has it

Overrides = Mapping[str, object]


@dataclass(frozen=True)
class DemoResult:
    """What a demo made.

    Attributes:
        report: Page of the pre-training.
        synthesis: Page of the synthesis; None where no case has two contrasts.
        volumes: Synthetic NIfTI volumes of held-out cases.
        exit_code: ``SOME_FAILED`` when a case was quarantined.
    """

    report: Path
    synthesis: Path | None
    volumes: tuple[Path, ...]
    exit_code: ExitCode


def run_demo(
    *,
    out: Path,
    data: Path | None = None,
    resample_to: str | None = None,
    overrides: Overrides | None = None,
    synthesis_overrides: Overrides | None = None,
) -> DemoResult:
    """Prepares volumes, pre-trains Edge-MAE at demo size, and on it a network that makes one contrast of another.

    Args:
        out: Folder of everything that is made; what is prepared already is kept.
        data: Folder of volumes or a table, as for ``medmae prep mr``; None makes a cohort from the MNI maps.
        resample_to: Contrast onto whose grid a case's others are resampled.
        overrides: Of the pre-training, as for ``medmae run``.
        synthesis_overrides: Of the synthesis.

    Raises:
        DataError: If no case can be used.
        ModuleNotFoundError: If the embedded cohort is wanted and nilearn is missing.
    """
    own_data_prep()
    from data_prep.mr import prepare
    from data_prep.mr_cohort import make_cohort
    from medmae.data.manifest import Manifest

    source = data or make_cohort(out=out / "cohort")
    prepared = prepare(source=source, out=out / "prepared", resample_to=resample_to)
    settings = {"dataset_dir": str(out / "prepared"), "bundle_root": str(out), **(overrides or {})}
    home = run_bundle(PRETRAINING, CONFIG, overrides=settings)
    manifest = Manifest.read(prepared.manifest)
    pair = choose_pair(manifest)
    synthesis: Path | None = None
    volumes: tuple[Path, ...] = ()
    if pair is not None:
        weights = home / "models" / "pretraining.safetensors"
        synthesis, volumes = _synthesise(out, manifest, pair, weights, synthesis_overrides or {})
    return DemoResult(home / "report.html", synthesis, volumes, prepared.exit_code)


def choose_pair(manifest: Manifest) -> tuple[str, str] | None:
    """T1 and T2 if training subjects have both; otherwise the two contrasts that most of them have; None without."""
    rows = [{contrast["name"] for contrast in row["contrasts"]} for row in manifest.select(split="train")]
    counts = {pair: sum(names >= set(pair) for names in rows) for pair in permutations(manifest.contrast_names, 2)}
    if counts.get(_LIKED):
        return _LIKED
    return max(counts, key=lambda pair: counts[pair]) if any(counts.values()) else None


def _synthesise(
    out: Path, manifest: Manifest, pair: tuple[str, str], weights: Path, overrides: Overrides
) -> tuple[Path, tuple[Path, ...]]:
    """Trains on the pair, then makes the target of held-out cases from the files of their source."""
    named = {"source": pair[0], "target": pair[1]}
    sized = _sized(manifest, pair, overrides)
    trained = {"dataset_dir": str(manifest.folder), "bundle_root": str(out / "synthesis"), "pretrained": str(weights)}
    home = run_bundle(SYNTHESIS, CONFIG, overrides={**trained, **named, **sized, **overrides})
    volumes = out / "synthesis" / "volumes"
    table = _held_out(manifest, pair[0], out / "synthesis" / "held_out.csv")
    places = {"dataset_dir": str(table), "bundle_root": str(volumes), "output_dir": str(volumes)}
    run_bundle(SYNTHESIS, "inference", overrides={**places, "model_dir": str(home / "models"), **named, **sized})
    return home / "report.html", tuple(sorted(volumes.glob("*_desc-synthetic*.nii.gz")))


def _sized(manifest: Manifest, pair: tuple[str, str], overrides: Overrides) -> Overrides:
    """What training and inference are told of the network: that of the recipe takes slices in their own pixels."""
    from medmae.data.volumes.slices import longest_edge

    chosen = {key: value for key, value in overrides.items() if key in _NETWORK or key.startswith("method::")}
    edge = longest_edge(manifest.select(contrasts=pair))
    return {**_NETWORK, **({} if "method::_target_" in chosen else {"method::image_size": edge}), **chosen}


def _held_out(manifest: Manifest, contrast: str, path: Path) -> Path:
    """A table of the sources of test cases (files, or folders of DICOM), or, where no subject is held out, of one."""
    rows = manifest.select(split="test", contrasts=[contrast])
    if not rows:
        warnings.warn(
            "no subject is held out: the synthetic volume is one of a subject that was trained on", stacklevel=3
        )
        rows = manifest.select(contrasts=[contrast])[-1:]
    lines = [
        {
            "subject": row["subject"],
            "session": row.get("session") or "",
            "contrast": contrast,
            "path": Path(entry["source"]).absolute(),  # a table's own paths start at its folder
        }
        for row in rows
        for entry in row["contrasts"]
        if entry["name"] == contrast
    ]
    write_csv(path, lines)
    return path
