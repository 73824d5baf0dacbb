"""Check 13: large files. Check 14: licence and page. Check 15: no pickle but the one that MONAI wants."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

from medmae.bundle.check.finding import Problem, Severity
from medmae.bundle.check.pickles import pickle_problem
from medmae.bundle.check.source import Bundle, declares_large_files
from medmae.bundle.check.tree import RESULTS, is_held

MAX_FILE = 25_000_000  # bytes, the zoo's rule
_ENTRY = frozenset({"path", "url", "hash_val", "hash_type"})
# Headings of the zoo's template, and intended use.
_SECTIONS = (
    "authors",
    "tags",
    "description",
    "intended use",
    "data",
    "preprocessing",
    "performance",
    "system configuration",
    "limitations",
    "citation",
)


def large_files(bundle: Bundle) -> Iterator[Problem]:
    """Large files are declared, stay in the bundle, come over https and have a sha256."""
    declared = set()
    for file in filter(declares_large_files, bundle.documents):
        entries = bundle.documents[file].get("large_files", [])
        for entry in entries if isinstance(entries, list) else [None]:
            declared |= {entry.get("path")} if isinstance(entry, dict) else set()
            for reason in _entry_reasons(bundle, entry):
                yield Problem(file, f"{_called(entry)} {reason}", "give path, url, hash_val and hash_type: sha256")
    for name, size in bundle.files.items():
        if size > MAX_FILE and name not in declared:
            message = f"has {size / 1e6:.0f} MB, more than {MAX_FILE / 1e6:.0f}"
            yield Problem(name, message, "declare it in large_files.yml", _own_result(bundle, name))


def pages(bundle: Bundle) -> Iterator[Problem]:
    """A licence, and a page that says what the bundle is for and what it is not for."""
    if not bundle.files.get("LICENSE"):
        yield Problem("LICENSE", "is missing or empty", "put the licence of recipes and weights there")
    if "docs/README.md" not in bundle.files:
        yield Problem("docs/README.md", "is missing", "copy the nearest bundle's, and change it")
        return
    try:
        text = bundle.text("docs/README.md").lower()
    except ValueError:
        return  # check 12 says so
    headings = re.findall(r"^#+ +(.*)$", text, flags=re.MULTILINE)
    for section in _SECTIONS:
        if not any(re.search(rf"\b{section}\b", heading) for heading in headings):
            yield Problem("docs/README.md", f"has no section on {section}", "add it")
    if "not for clinical decisions" not in " ".join(text.split()):
        yield Problem("docs/README.md", "does not say what it is not for", "write: Not for clinical decisions")


def pickles(bundle: Bundle) -> Iterator[Problem]:
    """A pickle is a program; ``models/model.pt`` is one that can be read without running it."""
    for name in filter(is_held, bundle.files):  # the others are refused whatever they are
        reason = pickle_problem(bundle, name)
        if reason:
            own = _own_result(bundle, name) if name.endswith(".ckpt") else "error"
            yield Problem(name, reason, "exchange weights as safetensors, and tables as text", own)


def _own_result(bundle: Bundle, name: str) -> Severity:
    """A run of one's own leaves weights and checkpoints in the bundle: no reason not to run it again."""
    mine = "run.json" in bundle.files and name.partition("/")[0] in {*RESULTS, "models"}
    return "warning" if mine else "error"


def _entry_reasons(bundle: Bundle, entry: Any) -> Iterator[str]:  # noqa: ANN401
    if not isinstance(entry, dict) or not {"path", "url"} <= set(entry) or set(entry) - _ENTRY:
        yield "has not the keys that MONAI reads"
        return
    path = str(entry["path"])
    parts = PurePosixPath(path).parts
    if not parts or path.startswith(("/", "~")) or ".." in parts or "\\" in path or ":" in path:
        yield "leaves the bundle"
    elif parts[0] not in {"models", "docs"}:
        yield "does not belong to models or docs"
    if not re.fullmatch(r"https://[^\s@]+", str(entry["url"])):
        yield f"comes from {entry['url']!r}, not over https"
    digest = str(entry.get("hash_val"))
    if entry.get("hash_type") != "sha256" or not re.fullmatch(r"[0-9a-f]{64}", digest):
        yield "has no sha256"
    elif path in bundle.files and _sha256(bundle, path) != digest:
        yield "is here with another sha256"


def _called(entry: Any) -> str:  # noqa: ANN401
    return repr(entry.get("path")) if isinstance(entry, dict) else repr(entry)


def _sha256(bundle: Bundle, name: str) -> str:
    with bundle.opener(name) as file:
        digest = hashlib.sha256()
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
