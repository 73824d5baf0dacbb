"""Check 1: what lies in a bundle, and under which names. Check 2: what parses."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import PurePosixPath

from medmae.bundle.check.finding import Problem
from medmae.bundle.check.source import METADATA, SUFFIXES, Bundle

# What a run leaves in a bundle of one's own, where results go beside the recipes.
_FOLDERS = ("checkpoints", "eval", "evaluation", "figures", "logs", "not_finite", "settings", "tensorboard")
RESULTS = frozenset({*_FOLDERS, "report.html", "run.json", ".training.lock"})
_NAME = r"[A-Za-z0-9][A-Za-z0-9_.-]*"
_RESULT = "csv|ckpt|dcm|geojson|gif|h5|jpg|json|nii|nii\\.gz|npy|npz|png|safetensors|tsv|txt|yaml"
# All that a bundle may hold. None of it is code to Python or to any tool that looks around in a folder.
_HOLDS = {
    "LICENSE": "LICENSE",
    "configs/*.yaml, .yml, .json": rf"configs/{_NAME}\.(?:yaml|yml|json)",
    "configs/logging.conf": r"configs/logging\.conf",
    "docs/*.md, .txt, .csv, .json, .png, .jpg, .gif": (
        rf"docs/(?:{_NAME}/)?{_NAME}\.(?:csv|gif|jpeg|jpg|json|md|png|txt)"
    ),
    "models/model.pt, *.safetensors, *.json": rf"models/(?:model\.pt|{_NAME}\.(?:json|safetensors))",
    "large_files.yml": r"large_files[A-Za-z0-9_.-]*\.(?:json|yaml|yml)",
    "what a run leaves (run.json, .training.lock, report.html, logs, checkpoints, eval, ...)": (
        rf"\.training\.lock|(?:eval/)?(?:run\.json|report\.html)|(?:{'|'.join(_FOLDERS)})/(?:[^/.]+/)*"
        rf"(?:[^/]+\.(?:{_RESULT})|events\.out\.tfevents\.[^/]+)"
    ),
    ".DS_Store, .gitattributes, .gitignore": r"(?:(?:configs|docs|models)/)?\.(?:DS_Store|gitattributes|gitignore)",
}
_HELD = re.compile("|".join(f"(?:{pattern})" for pattern in _HOLDS.values()))


def is_held(name: str) -> bool:
    """Whether a bundle may hold a file of this path."""
    return _HELD.fullmatch(name) is not None and name.isprintable()


def tree(bundle: Bundle) -> Iterator[Problem]:
    """Only files of a kind that a bundle holds, no links, and one file a configuration."""
    yield from bundle.problems
    if METADATA not in bundle.files:
        yield Problem(METADATA, "is missing", "write it, as docs/bundles.md says")
    if not re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)+", bundle.name):
        named = "a bundle is called <domain>_<method>_<task>, in small letters"
        yield Problem(bundle.name, "says neither task nor data", named, "warning")
    for name in bundle.files:
        if not is_held(name):
            holds = ", ".join(_HOLDS)
            yield Problem(name, "is nothing that a bundle holds", f"take it out; a bundle holds {holds}")
    yield from _configs(bundle)


def parses(bundle: Bundle) -> Iterator[Problem]:
    """Every configuration is a mapping of plain values in which no key stands twice."""
    for name, reason in bundle.unreadable.items():
        yield Problem(name, reason, "mend the file")


def _configs(bundle: Bundle) -> Iterator[Problem]:
    paths = [PurePosixPath(name) for name in bundle.files if name.startswith("configs/") and is_held(name)]
    stems = Counter(path.stem.casefold() for path in paths if path.suffix in SUFFIXES)
    for path in paths:
        if stems[path.stem.casefold()] > 1:
            yield Problem(str(path), f"there are two files for {path.stem!r}", "keep one of them")
