"""Checks 3 to 6: the metadata's form, its change log, its versions, the packages that it names."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from importlib import metadata as installed
from pathlib import Path
from typing import Any

from packaging.version import InvalidVersion, Version

import medmae.bundle
from medmae.bundle.check.allowed import MONAI_SHORT, refusal
from medmae.bundle.check.finding import Problem
from medmae.bundle.check.ids import walk
from medmae.bundle.check.imports import imported
from medmae.bundle.check.source import METADATA, Bundle

SCHEMA = Path(medmae.bundle.__file__).parent / "schema" / "meta_schema_20240725.json"
_FIELDS = {"monai_version": "monai", "pytorch_version": "torch", "numpy_version": "numpy"}
_STRICT = frozenset({"medmae", "monai", "torch"})  # where another major version means another interface
_SEMANTIC = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?")
_SIZE = re.compile(r"(?!.*\*\*.*\*\*)(?!.*\d{5})[\dnp*+() -]{1,20}")
_SHORT = frozenset(name for names in MONAI_SHORT.values() for name in names)


def schema(bundle: Bundle) -> Iterator[Problem]:
    """MONAI's own schema, a copy of which is in the package: nothing is fetched."""
    if bundle.metadata is None:
        return
    from jsonschema import Draft201909Validator

    validator = Draft201909Validator(json.loads(SCHEMA.read_text(encoding="utf-8")))
    for error in sorted(validator.iter_errors(bundle.metadata), key=lambda error: list(map(str, error.path))):
        at = "::".join(map(str, error.path))
        yield Problem(f"{METADATA}: {at}", error.message[:200], "docs/bundles.md says what metadata hold")
    for at, value in walk(bundle.metadata.get("network_data_format", {})):
        # MONAI computes with these; a power of a power takes longer than anybody waits.
        if "spatial_shape::" in at and isinstance(value, str) and not _SIZE.fullmatch(value):
            yield Problem(f"{METADATA}: {at}", f"{value!r} is no size", "write a number, *, 16*n or 2**p*n")


def changelog(bundle: Bundle) -> Iterator[Problem]:
    """The version is semantic, and has its entry."""
    if bundle.metadata is None:
        return
    version, log = bundle.metadata.get("version"), bundle.metadata.get("changelog")
    if not isinstance(version, str) or not _SEMANTIC.fullmatch(version):
        yield Problem(f"{METADATA}: version", f"{version!r} is no semantic version", "write MAJOR.MINOR.PATCH")
    if not isinstance(log, dict) or version not in log:
        yield Problem(f"{METADATA}: changelog", f"says nothing of version {version!r}", "add a line for it")


def versions(bundle: Bundle) -> Iterator[Problem]:
    """What the bundle asks for is not newer than what is installed, nor of another major version."""
    if bundle.metadata is None:
        return
    wanted = {key: (package, bundle.metadata.get(key)) for key, package in _FIELDS.items()}
    packages = _packages(bundle.metadata)
    wanted |= {f"required_packages_version::{name}": (name, value) for name, value in packages.items()}
    for key, (package, asked) in wanted.items():
        if asked is not None:
            yield from _compare(f"{METADATA}: {key}", package, asked)


def packages(bundle: Bundle) -> Iterator[Problem]:
    """Every package that a target comes from, or an import line, has a version."""
    if bundle.metadata is None:
        return
    known = {"monai", "torch", "numpy"} | {name.replace("-", "_") for name in _packages(bundle.metadata)}
    for path, content in bundle.configs.items():
        for at, value in walk(content):
            if at.rpartition("::")[2] == "_target_" and refusal(value) is None and value not in _SHORT:
                top = value.partition(".")[0]
                if top not in known:
                    yield Problem(
                        METADATA, f"required_packages_version lacks {top}, of {path}: {at}", "add its version"
                    )
        for name in imported(content.get("imports")).values():
            if (top := name.partition(".")[0]) not in known:
                yield Problem(METADATA, f"required_packages_version lacks {top}, of {path}: imports", "add its version")


def _packages(content: dict[str, Any]) -> dict[str, Any]:
    found = content.get("required_packages_version")
    return found if isinstance(found, dict) else {}


def _compare(where: str, package: str, asked: object) -> Iterator[Problem]:
    try:
        wanted = Version(str(asked))
    except InvalidVersion:
        yield Problem(where, f"{asked!r} is no version", "write one version, as in 1.6.1")
        return
    try:
        present = Version(installed.version(package))
    except installed.PackageNotFoundError:
        yield Problem(where, f"{package} is not installed", f"pip install {package}")
        return
    if wanted > Version(present.public):
        yield Problem(where, f"asks for {wanted}, and {present} is installed", f"install {package} {wanted} or newer")
    elif wanted.major < present.major:
        message = f"was made for {package} {wanted}, and {present} is installed"
        severity = "error" if package in _STRICT else "warning"
        yield Problem(where, message, "test the bundle with this version, then raise the field", severity)  # type: ignore[arg-type]
