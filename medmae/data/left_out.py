"""What a search passes over: each file with the reason, so that nothing is missing without a word."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from medmae.data.tree import folders_below, hidden_below, unread_below
from medmae.errors import DataError

OTHER_FILE = "not of a format that is read here"
SIDECAR = "it describes volumes beside it, and holds none"  # listed, and worth no line of a summary
HIDDEN = "hidden, by the dot before its name"
TOOLS = "a tool's own, and hidden"  # as sidecars
LOST = "a link to nothing"
SPECIAL = "a pipe, socket or device, and no file"
_OF_TOOLS = re.compile(
    r"\.(?:git\w*|datalad|svn|hg|ds_store|bidsignore|ipynb_checkpoints|cache|salt|snakemake|dvc\w*|nfs\w+|_.*)",
    re.IGNORECASE,
)
_NO_DATA = re.compile(
    r"docs?|documentation|code|scripts?|src|logs?|figures?|reports?|metadata|stimuli|phenotype|__macosx|@eadir|"
    r"\$recycle\.bin|derivatives|sourcedata|fmriprep|freesurfer|work|tmp|temp|cache|out(?:put)?|prepared|shards",
    re.IGNORECASE,
)
_MOST_REASONS = 12  # that a summary tells


@dataclass(frozen=True, order=True)
class LeftOut:
    """A file that is not read.

    Args:
        path: The file.
        why: The reason; what follows ``: `` in it is of this file only.
        damaged: Whether it should have been read: such a file is a failure, and not only listed.
    """

    path: Path
    why: str
    damaged: bool = False

    @property
    def reason(self) -> str:
        """The reason without what is of this file only."""
        return self.why.partition(": ")[0]


def counted(left: Iterable[LeftOut]) -> dict[str, int]:
    """How many files are left out for each reason, the most frequent first."""
    return {why: len(some) for why, some in _by_reason(left).items()}


def spoken(left: Sequence[LeftOut]) -> list[str]:
    """A line a reason: how many files, of which suffixes, and the first of them; none of sidecars and tools.

    >>> spoken([LeftOut(Path("a/notes.txt"), OTHER_FILE), LeftOut(Path("b.txt"), OTHER_FILE)])
    ['2 files left out, not of a format that is read here (.txt), such as a/notes.txt']
    """
    lines = []
    for why, some in list(_by_reason(one for one in left if one.why not in (SIDECAR, TOOLS)).items())[:_MOST_REASONS]:
        suffixes = sorted({_suffix(one.path) for one in some})
        kinds = ", ".join(suffixes[:6]) + (", …" if len(suffixes) > 6 else "")
        noun, first = "file" if len(some) == 1 else "files", "/".join(some[0].path.parts[-2:])
        lines.append(f"{len(some)} {noun} left out, {why} ({kinds}), such as {first}")
    return lines


def passed_over_in(root: Path) -> list[LeftOut]:
    """What no search below a folder sees: what is hidden (a folder is one entry), no file, or cannot be opened."""
    special, errors = unread_below(root)
    hidden = [LeftOut(path, TOOLS if _OF_TOOLS.fullmatch(path.name) else HIDDEN) for path in hidden_below(root)]
    shut = [
        LeftOut(Path(error.filename), f"a folder that cannot be opened: {error.strerror}", damaged=True)
        for error in errors
    ]
    return [
        *hidden,
        *(LeftOut(path, *((SPECIAL, False) if path.exists() else (LOST, True))) for path in special),
        *shut,
    ]


def damaged_in(left: Iterable[LeftOut]) -> list[DataError]:
    """An error for each file that should have been read."""
    return [DataError(one.why, path=one.path, remedy="copy or export it again") for one in left if one.damaged]


def nothing_in(folders: Iterable[Path], left: Iterable[LeftOut]) -> list[DataError]:
    """The errors of folders of which nothing is used, see :func:`barren`."""
    own: dict[Path, list[LeftOut]] = {folder: [] for folder in folders}
    for one in left:
        for folder in one.path.parents:
            if folder in own:
                own[folder].append(one)
    return [
        DataError(
            "nothing in this folder can be used, where folders beside it give patients or classes"
            + (f", such as {some[0].path.name}: {some[0].why}" if some else ""),
            path=folder,
            field="files",
            value=len(some),
            remedy="mend its files, or take the folder away",
        )
        for folder, some in own.items()
    ]


def barren(root: Path, owners: Mapping[Path, str]) -> list[Path]:
    """Folders of patients (or of classes) of which nothing is used, beside others of which something is.

    Folders of one level are those of patients if no two of them hold data of the same one, which sessions do; and if
    all of them are numbered, one without a number (``code``) is none.

    Args:
        root: The source.
        owners: Patient or class of each file that is used.
    """
    below: dict[Path, set[str]] = defaultdict(set)
    for path, owner in owners.items():
        for folder in path.parents:
            below[folder].add(owner)
            if folder == root:
                break
    children: dict[Path, list[Path]] = defaultdict(list)
    for folder, _ in folders_below(root):
        if folder != root:
            children[folder.parent].append(folder)
    return [folder for parent, some in children.items() if parent in below for folder in _barren_of(some, below)]


def _barren_of(folders: Sequence[Path], below: Mapping[Path, set[str]]) -> Iterator[Path]:
    used = [folder for folder in folders if folder in below]
    whose = [owner for folder in used for owner in below[folder]]
    apart = len(set(whose)) == len(whose)
    named = len(used) > 1 or any(folder.name in below[folder] for folder in used)
    if not (used and apart and named):
        return
    numbered = all(re.search(r"\d", folder.name) for folder in used)
    for folder in folders:
        other = folder not in below and not _NO_DATA.fullmatch(folder.name)
        if other and (not numbered or re.search(r"\d", folder.name)):
            yield folder


def _suffix(path: Path) -> str:
    ends = path.suffixes[-2:] if path.suffix.lower() == ".gz" else path.suffixes[-1:]
    return "".join(ends).lower() or "no suffix"


def _by_reason(left: Iterable[LeftOut]) -> dict[str, list[LeftOut]]:
    found: dict[str, list[LeftOut]] = defaultdict(list)
    for one in left:
        found[one.reason].append(one)
    return dict(sorted(found.items(), key=lambda item: -len(item[1])))
