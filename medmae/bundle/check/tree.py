"""Check 1: what lies in a bundle, and under which names. Check 2: what parses."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import PurePosixPath

from medmae.bundle.check.finding import Problem
from medmae.bundle.check.source import METADATA, SUFFIXES, Bundle, declares_large_files

# What a run leaves in a bundle of one's own, where results go beside the recipes.
RESULTS = frozenset({"eval", "evaluation", "logs", "checkpoints", "tensorboard", "run.json", "report.html"})
_BESIDE = frozenset({".DS_Store", ".gitattributes", ".gitignore"})  # of file managers and git; harmless, no matter
_TOP = frozenset({"LICENSE", "configs", "docs", "models", "large_files.yml"})
# Running a bundle puts its folder on Python's search path: any of these could be imported instead of a package.
_CODE = frozenset(
    {".bat", ".dll", ".dylib", ".egg", ".exe", ".pth", ".py", ".pyc", ".pyd", ".pyw", ".sh", ".so", ".whl", ".zip"}
)


def tree(bundle: Bundle) -> Iterator[Problem]:
    """Exact names, no links, no code, and one file a configuration."""
    yield from bundle.problems
    if METADATA not in bundle.files:
        yield Problem(METADATA, "is missing", "write it, as docs/bundles.md says")
    if not re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)+", bundle.name):
        named = "a bundle is called <domain>_<method>_<task>, in small letters"
        yield Problem(bundle.name, "says neither task nor data", named, "warning")
    for top in sorted({PurePosixPath(name).parts[0] for name in bundle.files} - _TOP - _BESIDE - RESULTS):
        if declares_large_files(top):
            continue
        yield Problem(top, "is not part of a bundle", f"a bundle holds {', '.join(sorted(_TOP))}", "warning")
    for name in bundle.files:
        if PurePosixPath(name).suffix.lower() in _CODE:
            yield Problem(name, "is code", "a bundle holds recipes; code belongs into a package that it names")
    yield from _configs(bundle)


def parses(bundle: Bundle) -> Iterator[Problem]:
    """Every configuration is a mapping of plain values in which no key stands twice."""
    for name, reason in bundle.unreadable.items():
        yield Problem(name, reason, "mend the file")


def _configs(bundle: Bundle) -> Iterator[Problem]:
    paths = [PurePosixPath(name) for name in bundle.files if name.startswith("configs/")]
    paths = [path for path in paths if path.name not in _BESIDE or len(path.parts) > 2]
    stems = Counter(path.stem for path in paths if path.suffix in SUFFIXES)
    for path in paths:
        if len(path.parts) > 2:
            yield Problem(str(path), "lies in a folder of configs", "put it into configs itself")
        elif path.suffix not in SUFFIXES and path.name != "logging.conf":
            yield Problem(str(path), "is no configuration", f"configs holds {', '.join(SUFFIXES)} and logging.conf")
        elif stems[path.stem] > 1:
            yield Problem(str(path), f"there are two files for {path.stem!r}", "keep one of them")
