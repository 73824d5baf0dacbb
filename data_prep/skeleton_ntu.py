"""NTU RGB+D: what its names say, its official splits, and the samples whose skeletons its authors call missing.

``ntu_missing.txt`` are the names of the data set's own page: 535 of NTU RGB+D 120, 302 of them of NTU RGB+D (60).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Literal, get_args

from medmae.data.skeletons.ntu import NAME
from medmae.reading import read_text

NtuSplit = Literal["xsub60", "xview60", "xsub120", "xset120"]
NTU_SPLITS = get_args(NtuSplit)
SETUPS_60 = 17
# A. Shahroudy et al., CVPR 2016, and J. Liu et al., PAMI 2019: performers of the training halves.
TRAIN_60 = frozenset({1, 2, 4, 5, 8, 9, 13, 14, 15, 16, 17, 18, 19, 25, 27, 28, 31, 34, 35, 38})
TRAIN_120 = TRAIN_60 | frozenset(
    {*range(45, 48), 49, 50, *range(52, 60), 70, 74, 78, *range(80, 87), 89, *range(91, 96), 97, 98, 100, 103}
)


def fields_of(name: str) -> Mapping[str, int] | None:
    """Setup, camera, person, take and action of a name; None of a name that is none of NTU's."""
    found = NAME.search(name)
    return {key: int(value) for key, value in found.groupdict().items()} if found else None


def in_train(fields: Mapping[str, int], split: NtuSplit) -> bool:
    """Whether a sample is of the training half."""
    if split == "xview60":
        return fields["camera"] in (2, 3)
    if split == "xset120":
        return fields["setup"] % 2 == 0
    return fields["person"] in (TRAIN_60 if split == "xsub60" else TRAIN_120)


def belongs(fields: Mapping[str, int], split: NtuSplit) -> bool:
    """Whether a sample is of the data set of a split."""
    return split.endswith("120") or fields["setup"] <= SETUPS_60


@cache
def missing() -> frozenset[str]:
    """Names whose skeletons are missing or incomplete, as the authors list them."""
    return frozenset(read_text(Path(__file__).with_name("ntu_missing.txt")).split())


def is_missing(name: str) -> bool:
    """Whether a file is one of these."""
    found = NAME.search(name)
    return found is not None and found[0] in missing()
