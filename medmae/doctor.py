"""What this machine has and lacks: versions, threads, GPU, disk, optional packages, speed of a product."""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

from medmae.speed import GIGA, matmul_gflops

EXTRAS = {
    "prep": "data preparation (data_prep)",
    "demo": "the embedded cohort of `medmae demo`",
    "video": "reading video",
    "onnx": "export to ONNX",
    "monai": "MONAI's own ViT and UNETR",
    "tensorboard": "curves of a training in TensorBoard",
    "wandb": "curves of a training on Weights & Biases (--logger wandb)",
    "mlflow": "curves of a training on an MLflow server (--logger mlflow)",
}
LOW_DISK_GB = 5.0
# Import names that differ from the names packages are installed by.
_DISTRIBUTIONS = {
    "distributed": "dask",
    "mlflow": "mlflow-skinny",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
    "yaml": "pyyaml",
}


@dataclass(frozen=True)
class Check:
    """One line of the table.

    Attributes:
        name: What was looked at.
        value: What was found.
        ok: Whether that will do.
        required: Whether medmae cannot work without it.
        remedy: What to do when it will not.
    """

    name: str
    value: str
    ok: bool = True
    required: bool = False
    remedy: str = ""


def checks(folder: Path | None = None) -> list[Check]:
    """Every check, in the order in which they are shown; takes a few seconds (torch is imported)."""
    return [*_machine(folder or Path.cwd()), *_packages(), *_extras(), *_torch()]


def healthy(found: list[Check]) -> bool:
    """Whether everything required is there."""
    return all(check.ok for check in found if check.required)


def install_hint(module: str) -> str:
    """One line that installs what a missing module belongs to."""
    package = _DISTRIBUTIONS.get(module.partition(".")[0], module.partition(".")[0])
    for extra in EXTRAS:
        if any(_is(requirement, package) for requirement in _requirements(extra)):
            return _install(requirement for requirement in _requirements(extra) if _is(requirement, package))
    return f"pip install {package}"


def _machine(folder: Path) -> Iterator[Check]:
    system = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    yield Check("Python", system, required=True)
    free = shutil.disk_usage(folder).free / GIGA
    wanted = f"shards and runs want {LOW_DISK_GB:.0f} GB"
    yield Check("free disk", f"{free:.1f} GB here", ok=free > LOW_DISK_GB, remedy=wanted)


def _packages() -> Iterator[Check]:
    for requirement in _requirements(None):
        yield _installed(requirement, required=True, remedy=f'pip install "{requirement}"')


def _extras() -> Iterator[Check]:
    for extra, purpose in EXTRAS.items():
        wanted = _requirements(extra)
        found = [_installed(requirement, required=False, remedy="") for requirement in wanted]
        missing = ", ".join(check.name for check in found if not check.ok)
        present = ", ".join(f"{check.name} {check.value}" for check in found)
        remedy = _install(each for each, check in zip(wanted, found, strict=True) if not check.ok)
        value = f"without {missing}" if missing else present
        yield Check(f"extra {extra}: {purpose}", value, ok=not missing, remedy=remedy)


def _is(requirement: Requirement, package: str) -> bool:
    return requirement.name.lower() == package.lower()


def _install(requirements: Iterable[Requirement]) -> str:
    """One line; empty for none. It names packages and no extra: medmae itself is not on the public index."""
    quoted = [f'"{each.name}{_options(each)}{each.specifier}"' for each in requirements]
    return " ".join(["pip install", *quoted]) if quoted else ""


def _options(requirement: Requirement) -> str:
    return f"[{','.join(sorted(requirement.extras))}]" if requirement.extras else ""


def _requirements(extra: str | None) -> list[Requirement]:
    declared = [Requirement(text) for text in metadata.requires("medmae") or []]
    environment = {"extra": extra or ""}
    return [
        requirement
        for requirement in declared
        if requirement.name != "medmae"
        and (requirement.marker.evaluate(environment) if requirement.marker else extra is None)
    ]


def _installed(requirement: Requirement, *, required: bool, remedy: str) -> Check:
    try:
        version = metadata.version(requirement.name)
    except metadata.PackageNotFoundError:
        return Check(requirement.name, "missing", ok=False, required=required, remedy=remedy)
    ok = requirement.specifier.contains(version, prereleases=True)
    return Check(requirement.name, version, ok=ok, required=required, remedy="" if ok else remedy)


def _torch() -> Iterator[Check]:
    try:
        import torch
    except ImportError as error:
        yield Check("torch", f"does not import: {error}", ok=False, required=True, remedy="pip install torch")
        return
    limit = os.environ.get("OMP_NUM_THREADS", "not set")
    yield Check("threads", f"{torch.get_num_threads()} of {os.cpu_count()} cores, OMP_NUM_THREADS {limit}")
    devices = [torch.cuda.get_device_properties(index) for index in range(torch.cuda.device_count())]
    names = ", ".join(f"{device.name} {device.total_memory / GIGA:.0f} GB" for device in devices)
    yield Check("GPU", names or "none: everything runs on the CPU, large models slowly")
    for device in ("cpu", "cuda") if devices else ("cpu",):
        yield Check(f"1024 x 1024 float32 product on {device}", f"{matmul_gflops(device):.0f} GFLOP/s")
