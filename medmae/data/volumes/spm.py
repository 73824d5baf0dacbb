"""What SPM and CAT12 write beside an image: its name with letters before it, which are no patient's."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from medmae.data.names import stem_of

SPM = "made by SPM of an image beside it"
# Smoothed, bias-corrected, resliced, warped, of a tissue, a field: and all of these of one another.
_PREFIX = re.compile(r"(?:s\d{0,2}|m\d?|[rwniua]|c[1-6]|p[0-7]|i?y_|u_)+")
_LONGEST = 8


def made_by_spm(paths: Iterable[Path]) -> set[Path]:
    """Files that are called as another one in their folder, or the one above, with SPM's letters before its name.

    >>> sorted(path.name for path in made_by_spm(map(Path, ("a/P1_T1.nii", "a/mri/wmP1_T1.nii", "a/mP2_T1.nii"))))
    ['wmP1_T1.nii']
    """
    stems: dict[Path, set[str]] = defaultdict(set)
    names = [(path, stem_of(path.name)) for path in paths]
    for path, stem in names:
        stems[path.parent].add(stem)
    return {
        path
        for path, stem in names
        for length in range(1, min(_LONGEST, len(stem) - 1) + 1)
        if _PREFIX.fullmatch(stem[:length])
        and any(stem[length:] in stems.get(folder, ()) for folder in (path.parent, path.parent.parent))
    }
